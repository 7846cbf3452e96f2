"""The objects behind handles, and the formulas of updates."""
