"""Plane geometry written as formulas: FormalGeo's CDL and Inter-GPS's logic forms, read, written and solved."""
