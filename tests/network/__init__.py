"""Looking at the world outside, against real servers."""
