"""Rule-based question answering over a chart's table: words of the question, matching of labels, the answer."""

from policies.table_qa.answer import TableAnswer, answer_from_table, candidates
from policies.table_qa.cues import read_cues
from policies.table_qa.table import Table, parse_number, parse_table
from policies.table_qa.words import table_from_words

__all__ = [
    "Table",
    "TableAnswer",
    "answer_from_table",
    "candidates",
    "parse_number",
    "parse_table",
    "read_cues",
    "table_from_words",
]
