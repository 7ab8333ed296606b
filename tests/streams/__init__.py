"""Tests of the shell inwards."""
