"""`make bench`: what the dispatcher takes, side by side with the least that the same work can take."""
