"""The mapping: a piece of a store's file in, rows of the feed out, field by field.

It does what the store's file says and no more. Where a text has not the form that is declared, the
text stays and the row gets a reason; what already is in canonical form is not touched, and what
is wrong with it is left to validation. The work is Arrow's and NumPy's on whole columns, with
plain Python for each distinct text that needs it (`cells.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vitrina import contract, rules
from vitrina.columns import Date, FreeText, Integer, Label, Numeric
from vitrina.exports import days, numbers, orders, texts
from vitrina.exports.cells import Cells, Mask, Notes, Read, Rows, read_each, strings
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
from vitrina.exports.store_file import Column, Day, Row, Source
from vitrina.rules import RowRepair, RowRule
from vitrina.store import Store


def mapped_schema(store: Store) -> pa.Schema:
    """The feed's columns, then those that `orders.complete` takes where it is needed."""
    feed = feed_schema(store.contract)
    if store.source is None or not orders.needs_orders(store.source):
        return feed
    return pa.schema([*feed, *orders.HELPERS])


def mapped(piece: Piece, store: Store, file: str, file_number: int) -> pa.RecordBatch:
    """The feed's rows of a piece, in `mapped_schema`.

    A row that the reader refused keeps the reader's reasons, and gets no others; so does one
    that the reader set aside.
    """
    rows = _Rows(piece, store, file)
    cells = {name: rows.field(name) for name in store.contract.names}
    problems, repairs = Notes(), Notes()
    for name, each in cells.items():
        problems.add_all(each.problems, lambda rule, name=name: _named(name, rule))
        repairs.add_all(each.repairs, lambda repair, name=name: _named(name, repair))
    problems.add_all(rows.currency_problems())
    version = rows.version()
    problems.add_all(version.problems)

    fate = rows.fate()
    helpers: dict[str, pa.Array] = {}
    if orders.needs_orders(rows.source):
        helpers = rows.helpers(fate)
    if not any(rule.in_order for rule in rows.source.rows):
        _follow(fate, rows.source, cells)
    set_aside = fate.set_aside
    silent = rows.unread | set_aside.is_valid().to_numpy(zero_copy_only=False)

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
        **helpers,
    }
    schema = mapped_schema(store)
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


@dataclass
class _Fate:
    """What the store's rules say of each row."""

    rule: np.ndarray
    """The number of the first rule that applies; -1 for none."""
    below: np.ndarray
    """The number of the first rule that applies to the lines below as well; -1 for none."""
    set_aside: pa.Array
    """string: why it is no sale; null for a sale."""


class _Rows:
    """A piece's columns, read as the store's file says."""

    def __init__(self, piece: Piece, store: Store, file: str) -> None:
        assert store.source is not None
        self.piece, self.store, self.file = piece, store, file
        self.source: Source = store.source
        self.count = len(piece.lines)
        self.nulls = pa.nulls(self.count, pa.string())
        self._texts: dict[str, pa.Array] = {}

    @cached_property
    def unread(self) -> Mask:
        """The rows whose fate the reader has decided."""
        mask = np.zeros(self.count, np.bool_)
        for decided in (self.piece.problems, self.piece.set_aside):
            if decided is not None:
                mask |= decided.is_valid().to_numpy(zero_copy_only=False)
        return mask

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
            before = _blank_as_null(cells.texts) if has_origin else self.file
            lines = self.piece.lines.cast(pa.string())
            cells.texts = pc.binary_join_element_wise(before, lines, column.separator)
        return cells

    def currency_problems(self) -> Notes:
        cells = Cells(self.nulls)
        if self.source.currency is not None:
            cells = Cells(self._text(self.source.currency.column))
            read_each(cells, self._read_currency)
        return cells.problems

    def version(self) -> Cells:
        versions = self.source.versions
        if versions is None:
            return Cells(self.nulls)
        cells = Cells(self._text(versions.column))
        texts_, typed = self._split(versions.column)
        for rows, is_typed in ((texts_, False), (typed, True)):
            zone, marks = self.store.time_zone, self.source.numbers
            read_each(
                cells, days.version_reader(versions.format, zone, marks, typed=is_typed), rows
            )
        return cells

    def fate(self) -> _Fate:
        first = np.full(self.count, -1, np.int32)
        below = np.full(self.count, -1, np.int32)
        for number, rule in enumerate(self.source.rows):
            applies = self._applies(rule) & ~self.unread
            first[(first < 0) & applies] = number
            if rule.in_order:
                below[(below < 0) & applies] = number
        set_aside = self.nulls if self.piece.set_aside is None else strings(self.piece.set_aside)
        if not any(rule.in_order for rule in self.source.rows):
            set_aside = pc.coalesce(set_aside, self.reasons(first))
        return _Fate(first, below, set_aside)

    def reasons(self, rule_of: np.ndarray) -> pa.Array:
        """string: why each row is set aside by its rule; null where it is not."""
        why = self.nulls
        for number, rule in enumerate(self.source.rows):
            mask = rule_of == number
            if rule.fate != "set aside" or not mask.any():
                continue
            value = pa.scalar(rule.why)
            if not rule.why:
                found = _blank_as_null(pc.utf8_trim_whitespace(self._text(rule.column)))
                value = pc.coalesce(found, pa.scalar(f"no {rule.column}"))
            why = pc.if_else(pa.array(mask), value, why)
        return why

    def helpers(self, fate: _Fate) -> dict[str, pa.Array]:
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
            orders.WHY: self.reasons(fate.rule),
            orders.BELOW: pa.array(fate.below),
            orders.BELOW_WHY: self.reasons(fate.below),
            orders.REFUND: refund,
            orders.REFUND_PROBLEM: refund_problem,
            orders.PARTS: self._key(source.add_up.by if source.add_up else (), "\x1f"),
        }

    def _text(self, name: str) -> pa.Array:
        """A column of the source; null where its text means that there is no value."""
        if name not in self._texts:
            found = strings(self.piece.columns[name])
            if self.source.missing:
                missing = pa.array(self.source.missing, pa.string())
                is_missing = pc.is_in(pc.utf8_trim_whitespace(found), missing)
                found = pc.if_else(is_missing, pa.scalar(None, pa.string()), found)
            self._texts[name] = found
        return self._texts[name]

    def _split(self, *names: str) -> tuple[Rows | None, Rows | None]:
        """The rows in which these columns are text, and those in which all are typed.

        None stands for all rows.
        """
        none = np.empty(0, np.int64)
        if not names or any(name not in self.piece.typed for name in names):
            return None, none
        typed = np.ones(self.count, np.bool_)
        for name in names:
            typed &= self.piece.typed[name].fill_null(False).to_numpy(zero_copy_only=False)
        if typed.all():
            return none, None
        return (None, none) if not typed.any() else (np.flatnonzero(~typed), np.flatnonzero(typed))

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
            return self._read(name, self._text(column.column), *self._split(column.column))
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
            read_each(cells, reader, as_text)
        # Zeros at the end of a typed number are no surplus, so that its point is looked at.
        if _any_rows(as_typed) and numbers.may_be_odd(cells.texts, numbers.CANONICAL, decimals=0):
            read_each(cells, numbers.typed_reader(decimals, round_=marks.round), as_typed)

    def _read_days(
        self, cells: Cells, column: Column, as_text: Rows | None, as_typed: Rows | None
    ) -> None:
        zone = self.store.time_zone
        format_ = getattr(column, "format", days.ISO)
        named = (column.zone if isinstance(column, Day) else None) or zone
        for rows, typed in ((as_text, False), (as_typed, True)):
            reader = days.day_reader(format_, named, zone, typed=typed)
            if rows is None:
                written = days.ISO if typed and format_ != days.UNIX else format_
                days.read_days(cells, reader, written, zone)
            else:
                read_each(cells, reader, rows)

    def _first(self, name: str, column: Column) -> Cells:
        """The first of some columns that has a value."""
        found, typed = self.nulls, np.zeros(self.count, np.bool_)
        for each in column.columns:
            candidate = _blank_as_null(self._text(each))
            taken = pc.and_(found.is_null(), candidate.is_valid()).to_numpy(zero_copy_only=False)
            if each in self.piece.typed:
                flags = self.piece.typed[each].fill_null(False).to_numpy(zero_copy_only=False)
                typed |= taken & flags
            found = pc.coalesce(found, candidate)
        return self._read(name, found, np.flatnonzero(~typed), np.flatnonzero(typed))

    def _joined(self, name: str, column: Column) -> Cells:
        """Some columns, joined; missing where one of them is."""
        if isinstance(self.store.contract[name].type, FreeText):
            parts = [
                self._read(name, self._text(each), *self._split(each)) for each in column.columns
            ]
            whole = Cells(self.nulls)
            for part in parts:
                _trim(part)
                whole.problems.add_all(part.problems)
                whole.repairs.add_all(part.repairs)
            whole.texts = _join([part.texts for part in parts], column.separator)
            return whole
        found = [pc.utf8_trim_whitespace(self._text(each)) for each in column.columns]
        return self._read(name, _join(found, column.separator), *self._split(*column.columns))

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
        cells = Cells(self._text(name))
        money = _is_money(field_)
        self._read_numbers(cells, None, *self._split(name), money=money)
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
        return _join([pc.utf8_trim_whitespace(self._text(name)) for name in names], separator)

    def _applies(self, rule: Row) -> Mask:
        found = pc.utf8_trim_whitespace(self._text(rule.column))
        if rule.is_blank is not None:
            blank = pc.equal(found, "").fill_null(True)
            applies = blank.to_numpy(zero_copy_only=False) == rule.is_blank
        elif rule.starts_with:
            applies = np.zeros(self.count, np.bool_)
            for start in rule.starts_with:
                starts = pc.starts_with(found, start).fill_null(False)
                applies |= starts.to_numpy(zero_copy_only=False)
        else:
            applies = self._equals(rule, found)
        return ~applies if rule.negate else applies

    def _equals(self, rule: Row, found: pa.Array) -> Mask:
        """Whether a value is one of the rule's texts, or a number equal to one of them."""
        wanted = set(rule.equals)
        values = {number for each in rule.equals if (number := numbers.value(each)) is not None}
        encoded = found.dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        distinct = encoded.dictionary.to_pylist()
        applies = np.array([texts.cleaned(each)[0] in wanted for each in distinct] + [False])[codes]
        if not values:
            return applies
        for rows, marks in zip(
            self._split(rule.column), (self.source.numbers, numbers.CANONICAL), strict=True
        ):
            reader = numbers.number_reader(
                marks, decimals=None, money=True, currency=self.store.currency
            )
            equal = np.array(
                [numbers.value(reader(each).text or "") in values for each in distinct] + [False]
            )[codes]
            applies = applies | (equal if rows is None else equal & _mask(rows, self.count))
        return applies

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


def _follow(fate: _Fate, source: Source, cells: Mapping[str, Cells]) -> None:
    """Give quantity and amount the sign or the value that a row's rule says."""
    for number, rule in enumerate(source.rows):
        mask = fate.rule == number
        if not mask.any():
            continue
        quantity = cells["quantity"]
        if rule.quantity is not None:
            quantity.texts = pc.if_else(pa.array(mask), f"{rule.quantity:f}", quantity.texts)
            quantity.problems.forget(mask)
            quantity.repairs.forget(mask)
        if rule.fate == "return":
            _negate(quantity, mask)
            _negate(cells["sale_amount"], mask)


def _negate(cells: Cells, mask: Mask) -> None:
    """Put a minus before the numbers of these rows that are above 0."""
    above = pc.match_substring_regex(cells.texts, orders.ABOVE_ZERO).fill_null(False)
    right = pa.array(mask & ~cells.problems.mask(len(mask)))
    negative = pc.binary_join_element_wise("-", cells.texts, "")
    cells.texts = pc.if_else(pc.and_(above, right), negative, cells.texts)


def _trim(cells: Cells) -> None:
    """Cut white space off, which validation would do, where a text is to be part of another."""
    trimmed = pc.utf8_trim_whitespace(cells.texts)
    changed = pc.not_equal(trimmed, cells.texts).fill_null(False)
    if pc.any(changed).as_py():
        cells.repairs.add(rules.Repair.spaces, np.flatnonzero(changed))
        cells.texts = trimmed


def _blank_as_null(found: pa.Array) -> pa.Array:
    blank = pc.equal(pc.utf8_trim_whitespace(found), "")
    return pc.if_else(blank, pa.scalar(None, pa.string()), found)


def _join(parts: Sequence[pa.Array], separator: str) -> pa.Array:
    """Texts joined row by row; null where one is missing."""
    return pc.binary_join_element_wise(*map(_blank_as_null, parts), separator)


def _mask(rows: Rows, count: int) -> Mask:
    mask = np.zeros(count, np.bool_)
    mask[rows] = True
    return mask


def _any_rows(rows: Rows | None) -> bool:
    return rows is None or len(rows) > 0


def _refund_problem(cells: Cells) -> str:
    """The reason of the refund's row, whose amount it is."""
    return _named("sale_amount", next(iter(cells.problems.found), rules.Rule.not_a_number))
