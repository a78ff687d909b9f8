"""The proof under fire: one fault while campaigns run, and the outcome counted at the other side of the wire."""
