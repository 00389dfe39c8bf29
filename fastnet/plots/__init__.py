"""Figures: curves, decision boundaries, confusion, mistakes, weights. matplotlib is imported when something is drawn.

``history``, ``decision_boundary``, ``confusion_matrix``, ``worst_mistakes``, ``weights`` and ``tuning`` draw what a
user has: a fit's history, a network, an evaluation, a table of trials. The ``draw_…`` functions draw one panel from
plain arrays, and ``panels`` puts several into one figure. Figures are made without pyplot, so that nothing depends on a
display or is kept open; ``save`` writes them. Colours can be told apart by the colour-blind, and lines differ in
dashes, too, for print.
"""

from .boundaries import Grid, boundary_grid, decision_boundary, draw_boundary, draw_points, value_grid
from .charts import draw_bars, draw_surface
from .curves import draw_curves, history
from .evaluations import confusion_matrix, draw_confusion, draw_predictions, evaluation
from .figures import COLOURS, DASHES, DPI, MARKERS, Draw, Line, panels, require_matplotlib, save
from .mistakes import draw_mistakes, worst_mistakes
from .pictures import draw_image, images, weights
from .recorder import BoundaryRecorder
from .trials import tuning

__all__ = [
    "COLOURS",
    "DASHES",
    "DPI",
    "MARKERS",
    "BoundaryRecorder",
    "Draw",
    "Grid",
    "Line",
    "boundary_grid",
    "confusion_matrix",
    "decision_boundary",
    "draw_bars",
    "draw_boundary",
    "draw_confusion",
    "draw_curves",
    "draw_image",
    "draw_mistakes",
    "draw_points",
    "draw_predictions",
    "draw_surface",
    "evaluation",
    "history",
    "images",
    "panels",
    "require_matplotlib",
    "save",
    "tuning",
    "value_grid",
    "weights",
    "worst_mistakes",
]
