"""Measuring: metrics, evaluation over a benchmark, panels and reports."""
