"""The comparison with peers behind ``fastnet bench`` and ``benches/``: what is measured, on what data, and how.

Each contender lives in a process of its own, as it does at its users': thread pools of one library neither spin
beside another nor are throttled by it. The processes take turns, round after round, so that whatever else the
machine does hits all alike.
"""
