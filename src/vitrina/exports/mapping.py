"""The mapping: a piece of a store's file in, rows of the feed out, field by field.

It does what the store's file says and no more. Where a text has not the form that is declared, the
text stays and the row gets a reason; what already is in canonical form is not touched, and what
is wrong with it is left to validation. The work is Arrow's and NumPy's on whole columns, with
plain Python for each distinct text that needs it (`cells.py`).
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vitrina import contract, rules
from vitrina.columns import Date, FreeText, Integer, Label, Numeric
from vitrina.errors import ExportError
from vitrina.exports import days, fates, numbers, orders, patterns, texts
from vitrina.exports.cells import Cells, Notes, Read, Rows, as_mask, blank_as_null, read_each
from vitrina.exports.feed import (
    FILE,
    FILE_NUMBER,
    LINE,
    PROBLEMS,
    RAW,
    REPAIRED,
    SET_ASIDE,
    VERSION,
    Piece,
    feed_schema,
)
from vitrina.exports.money import currencies
from vitrina.exports.source import Column, Day
from vitrina.exports.source_columns import SourceColumns
from vitrina.rules import RowRepair, RowRule
from vitrina.store import Store, source_of


def mapped_schema(store: Store) -> pa.Schema:
    """The feed's columns, then those that `orders.complete` takes where it is needed."""
    feed = feed_schema(store.contract)
    if not orders.needs_orders(source_of(store)):
        return feed
    return pa.schema([*feed, *orders.HELPERS])


def mapped(piece: Piece, store: Store, file: str, file_number: int) -> pa.RecordBatch:
    """The feed's rows of a piece, in `mapped_schema`.

    A row that the reader refused keeps the reader's reasons, and gets no others; so does one
    that the reader set aside.

    Raises:
        ExportError: a sale has a time, and the store's file names no time zone.
    """
    rows = _Rows(piece, store, file)
    cells = {name: rows.field(name) for name in store.contract.names}
    fate = fates.decide(rows, store.currency)
    if not any(rule.in_order for rule in rows.source.rows):
        fates.follow(fate, rows.source, cells)
    version = rows.version()
    problems, repairs = Notes(), Notes()
    for name, each in cells.items():
        problems.add_all(each.problems, partial(_named, name))
        repairs.add_all(each.repairs, partial(_named, name))
    problems.add_all(rows.currency_problems())
    problems.add_all(version.problems)
    set_aside = fate.set_aside
    silent = rows.unread | as_mask(set_aside.is_valid())

    columns: dict[str, pa.Array] = {
        **{name: each.texts for name, each in cells.items()},
        FILE: pa.repeat(pa.scalar(file), rows.count),
        LINE: piece.lines,
        FILE_NUMBER: pa.repeat(pa.scalar(file_number, pa.int32()), rows.count),
        PROBLEMS: problems.lists(rows.count, piece.problems, silent),
        REPAIRED: repairs.lists(rows.count, piece.repaired, silent),
        SET_ASIDE: set_aside,
        VERSION: version.texts,
        RAW: rows.nulls if piece.raw is None else piece.raw,
        **(rows.helpers(fate) if orders.needs_orders(rows.source) else {}),
    }
    schema = mapped_schema(store)
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


class _Rows(SourceColumns):
    """A piece's columns, read as the store's file says."""

    def __init__(self, piece: Piece, store: Store, file: str) -> None:
        super().__init__(piece, source_of(store))
        self.store, self.file = store, file

    def field(self, name: str) -> Cells:
        """A field of the contract; null where it has no origin."""
        column = self.source.mapped.get(name)
        if column is None:
            return Cells(self.nulls)
        cells = self._origin(name, column)
        if column.place is not None:
            _trim(cells)
        if column.place == "file":
            has_origin = bool(column.names) or column.constant is not None
            before = blank_as_null(cells.texts) if has_origin else self.file
            lines = self.piece.lines.cast(pa.string())
            cells.texts = pc.binary_join_element_wise(before, lines, column.separator)
        return cells

    def currency_problems(self) -> Notes:
        cells = Cells(self.nulls)
        if self.source.currency is not None:
            cells = Cells(self.text(self.source.currency.column))
            read_each(cells, self._read_currency)
        return cells.problems

    def version(self) -> Cells:
        versions = self.source.versions
        if versions is None:
            return Cells(self.nulls)
        cells = Cells(self.text(versions.column))
        zone, marks = self.store.time_zone, self.source.numbers
        for rows, typed in zip(self.split(versions.column), (False, True), strict=True):
            if rows is None:
                days.read_versions(cells, versions.format, zone, marks, typed=typed)
            else:
                reader = days.version_reader(versions.format, zone, marks, typed=typed)
                read_each(cells, reader, rows)
        return cells

    def helpers(self, fate: fates.Fate) -> dict[str, pa.Array]:
        """What `orders.complete` takes: see `orders.HELPERS`."""
        source = self.source
        separator = source.fields.sale_id.separator
        refund, refund_problem = self.nulls, self.nulls
        if source.refund is not None:
            cells = self._number(source.refund.column, "sale_amount")
            refund = cells.texts
            wrong = pa.array(cells.problems.mask(self.count))
            refund_problem = pc.if_else(wrong, _refund_problem(cells), refund_problem)
        return {
            orders.ORDER: self._key(source.order, separator),
            orders.RULE: pa.array(fate.rule),
            orders.WHY: fates.reasons(fate.rule, self),
            orders.BELOW: pa.array(fate.below),
            orders.BELOW_WHY: fates.reasons(fate.below, self),
            orders.REFUND: refund,
            orders.REFUND_PROBLEM: refund_problem,
            orders.PARTS: self._key(source.add_up.by if source.add_up else (), "\x1f"),
        }

    def _origin(self, name: str, column: Column) -> Cells:
        if column.multiply is not None or column.minus is not None:
            return self._computed(name, column)
        if column.constant is not None:
            return Cells(pa.repeat(pa.scalar(column.constant), self.count))
        if column.first:
            return self._first(name, column)
        if column.columns:
            return self._joined(name, column)
        if column.column is not None:
            return self._read(name, self.text(column.column), *self.split(column.column))
        return Cells(self.nulls)

    def _read(
        self, name: str, found: pa.Array, as_text: Rows | None, as_typed: Rows | None
    ) -> Cells:
        """A field from texts of a column, of which some rows were typed."""
        cells = Cells(found)
        field_ = self.store.contract[name]
        match field_.type:
            case Integer() | Numeric():
                decimals = 0 if isinstance(field_.type, Integer) else field_.type.scale
                self._read_numbers(cells, decimals, as_text, as_typed, money=_is_money(name))
            case Date():
                self._read_days(cells, self.source.mapped[name], as_text, as_typed)
            case Label():
                if field_.synonyms or field_.other or len(texts.odd_rows(cells.texts)):
                    read_each(
                        cells,
                        texts.region_reader(field_.allowed, field_.synonyms, field_.other),
                    )
            case FreeText():
                if name not in _IDS:
                    texts.read_odd(cells, texts.read_text, None)
                    return cells
                texts.read_odd(cells, texts.id_reader(typed=False), as_text)
                if _any_rows(as_typed):
                    read_each(cells, texts.id_reader(typed=True), as_typed)
        return cells

    def _read_numbers(
        self,
        cells: Cells,
        decimals: int | None,
        as_text: Rows | None,
        as_typed: Rows | None,
        *,
        money: bool,
    ) -> None:
        marks = self.source.numbers
        if _any_rows(as_text) and numbers.may_be_odd(cells.texts, marks, decimals=decimals):
            reader = numbers.number_reader(
                marks, decimals=decimals, money=money, currency=self.store.currency
            )
            if as_text is None:
                numbers.read_numbers(cells, marks, reader, decimals)
            else:
                read_each(cells, reader, as_text)
        # Zeros at the end of a typed number are no surplus, so that its point is looked at.
        if _any_rows(as_typed) and numbers.may_be_odd(cells.texts, numbers.CANONICAL, decimals=0):
            read_each(cells, numbers.typed_reader(decimals, round_=marks.round), as_typed)

    def _read_days(
        self, cells: Cells, column: Column, as_text: Rows | None, as_typed: Rows | None
    ) -> None:
        zone = self.store.time_zone
        if not self.store.names_zone:
            self._refuse_times(cells.texts)
        format_ = getattr(column, "format", patterns.ISO)
        named = (column.zone if isinstance(column, Day) else None) or zone
        for rows, typed in ((as_text, False), (as_typed, True)):
            if rows is None:
                days.read_days(cells, format_, named, zone, typed=typed)
            else:
                read_each(cells, days.day_reader(format_, named, zone, typed=typed), rows)

    def _refuse_times(self, found: pa.Array) -> None:
        timed = days.first_time(found)
        if timed is not None:
            raise ExportError(
                f"{self.file}, line {self.piece.lines[timed]}: {found[timed]} is a time, and the "
                "store's file does not say where its days begin; add a line such as "
                'time_zone = "Europe/Berlin" above [source], and run again'
            )

    def _first(self, name: str, column: Column) -> Cells:
        """The first of some columns that has a value."""
        found, typed = self.nulls, np.zeros(self.count, np.bool_)
        for each in column.columns:
            candidate = blank_as_null(self.text(each))
            typed |= as_mask(pc.and_(found.is_null(), candidate.is_valid())) & self.typed(each)
            found = pc.coalesce(found, candidate)
        return self._read(name, found, *self.divided(typed))

    def _joined(self, name: str, column: Column) -> Cells:
        """Some columns, joined; missing where one of them is."""
        if isinstance(self.store.contract[name].type, FreeText):
            parts = [
                self._read(name, self.text(each), *self.split(each)) for each in column.columns
            ]
            whole = Cells(self.nulls)
            for part in parts:
                _trim(part)
                whole.problems.add_all(part.problems)
                whole.repairs.add_all(part.repairs)
            whole.texts = _join([part.texts for part in parts], column.separator)
            return whole
        found = [pc.utf8_trim_whitespace(self.text(each)) for each in column.columns]
        return self._read(name, _join(found, column.separator), *self.split(*column.columns))

    def _computed(self, name: str, column: Column) -> Cells:
        """A product, less what is to be subtracted; exact, and missing where a part is."""
        if column.multiply is not None:
            parts = [self._number(each, name) for each in column.multiply]
            result = numbers.product(*parts)
        elif column.column is not None:
            parts = [self._number(column.column, name)]
            result = parts[0].texts
        else:
            parts, result = [], pa.repeat(pa.scalar(column.constant), self.count)
        if column.minus is not None:
            parts.append(self._number(column.minus, name))
            result = numbers.difference(Cells(result, parts[0].problems), parts[-1])
        whole = Cells(result)
        for part in reversed(parts):
            # What cannot be read is shown as it is.
            wrong = part.problems.mask(self.count)
            whole.texts = pc.if_else(pa.array(wrong), part.texts, whole.texts)
            whole.problems.add_all(part.problems)
            whole.repairs.add_all(part.repairs)
        type_ = self.store.contract[name].type
        decimals = type_.scale if isinstance(type_, Numeric) else 0
        right = np.flatnonzero(~whole.problems.mask(self.count))
        if decimals == 0 or self.source.numbers.round:
            reader = numbers.typed_reader(decimals, round_=self.source.numbers.round)
            read_each(whole, reader, right)
        return whole

    def _number(self, name: str, field_: str) -> Cells:
        """A column of numbers from which a field is computed, with all their decimals."""
        cells = Cells(self.text(name))
        money = _is_money(field_)
        self._read_numbers(cells, None, *self.split(name), money=money)
        numbers.refuse_others(cells)
        if isinstance(self.store.contract[field_].type, Integer):
            cells.problems = cells.problems.renamed(
                rules.Rule.not_a_number, rules.Rule.not_an_integer
            )
        return cells

    def _key(self, names: Sequence[str], separator: str) -> pa.Array:
        """The values of some columns as one text; null where one is missing."""
        if not names:
            return self.nulls
        return _join([pc.utf8_trim_whitespace(self.text(name)) for name in names], separator)

    def _read_currency(self, text: str) -> Read:
        bare, _ = texts.cleaned(text)
        is_ours = not bare or self.store.currency in currencies(bare)
        return Read(text, None if is_ours else RowRule.currency_other)


_IDS = frozenset(["sale_id", "customer_id", "product_id", contract.ORDER_ID])
_NO_MONEY = frozenset([*_IDS, "quantity"])


def _is_money(name: str) -> bool:
    return name not in _NO_MONEY


def _named(field_: str, what: str) -> str:
    """The name of a reason or a repair: of the field, unless it is one of the whole row."""
    return str(what) if isinstance(what, RowRule | RowRepair) else f"{field_}_{what}"


def _trim(cells: Cells) -> None:
    """Cut white space off, which validation would do, where a text is to be part of another."""
    trimmed = pc.utf8_trim_whitespace(cells.texts)
    changed = pc.not_equal(trimmed, cells.texts).fill_null(False)
    if pc.any(changed).as_py():
        cells.repairs.add(rules.Repair.spaces, np.flatnonzero(changed))
        cells.texts = trimmed


def _join(parts: Sequence[pa.Array], separator: str) -> pa.Array:
    """Texts joined row by row; null where one is missing."""
    return pc.binary_join_element_wise(*map(blank_as_null, parts), separator)


def _any_rows(rows: Rows | None) -> bool:
    return rows is None or len(rows) > 0


def _refund_problem(cells: Cells) -> str:
    """The reason of the refund's row, whose amount it is."""
    return _named("sale_amount", next(iter(cells.problems.found), rules.Rule.not_a_number))
