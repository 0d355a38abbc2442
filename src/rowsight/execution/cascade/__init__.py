"""Cascades: train a proxy on the oracle's answers, freeze it, certify it, ask the rest."""
