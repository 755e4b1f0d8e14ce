"""Reading charts: one noun per module, from words (OCR) over geometry (axes, bars, lines, pies) to a table."""
