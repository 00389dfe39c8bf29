"""The source article's library in plain NumPy: the oracle and the rival of fastnet.scratch.

Part 7 of "Building a Neural Network from scratch" (25 October 2016) describes it: the classes, the names, tanh and
softmax, `sensitivity`, weight decay in `weights_gradient`, initial weights, centring by the caller, momentum and
`Net.test`. One sample at a time, float64, row vectors of shape (1, size).

Two things the article leaves open are done as everybody does them: momentum moves biases, too, and the sensitivity of a
hidden layer comes from the weights before their update.
"""

import numpy as np


class Net:
    learning_rate = 0.1
    weight_decay = 0.001
    momentum = 0.0

    def __init__(self, layers):
        self.layers = layers

    def train(self, x, target):
        """Learn one sample, or the rows of a matrix one after the other; returns the mean loss before each step."""
        if np.ndim(x) == 2 and len(x) > 1:
            return float(np.mean([self.train(row, label) for row, label in zip(x, target, strict=True)]))
        probabilities = self.forward(x)
        last = self.layers[-1]
        last.backward(target)
        for layer, following in zip(self.layers[-2::-1], self.layers[:0:-1], strict=True):
            layer.backward(following)
        for layer in self.layers:
            layer.update()
        return float(-np.log(probabilities[0, target]))

    def forward(self, x):
        output = np.reshape(x, (1, -1))
        for layer in self.layers:
            output = layer.forward(output)
        return output

    def test(self, X, y):
        return sum(np.argmax(self.forward(x)) == label for x, label in zip(X, y, strict=True)) / len(y)


class Layer:
    def __init__(self, n_input, size):
        self.weights = np.random.randn(n_input, size) / np.sqrt(n_input)
        self.bias = np.zeros((1, size))
        self.weights_change = np.zeros((n_input, size))
        self.bias_change = np.zeros((1, size))

    def update(self):
        weights_gradient = np.dot(self.input.T, self.sensitivity)
        weights_gradient += Net.weight_decay * self.weights
        self.weights_gradient = weights_gradient
        self.weights_change = Net.momentum * self.weights_change - Net.learning_rate * weights_gradient
        self.bias_change = Net.momentum * self.bias_change - Net.learning_rate * self.sensitivity
        self.weights += self.weights_change
        self.bias += self.bias_change


class HiddenLayer(Layer):
    def forward(self, x):
        self.input = x
        self.output = np.tanh(np.dot(x, self.weights) + self.bias)
        return self.output

    def backward(self, following):
        self.sensitivity = (1 - self.output**2) * np.dot(following.sensitivity, following.weights.T)


class OutputLayer(Layer):
    def forward(self, x):
        self.input = x
        z = np.dot(x, self.weights) + self.bias
        e = np.exp(z - np.max(z))
        self.output = e / np.sum(e)
        return self.output

    def backward(self, target):
        self.sensitivity = np.copy(self.output)
        self.sensitivity[0, target] -= 1
