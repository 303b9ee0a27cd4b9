"""What a sale is, declared once and handed to every step.

The Spark schema, the tables in PostgreSQL and ClickHouse, the validation rules and the
table in `docs/contract.md` all follow from a `Contract`. For a store with other regions, limits
or fields, write another `Contract`; no step has to change.
"""

import datetime
from dataclasses import dataclass
from decimal import Decimal as Money

from vitrina.columns import Column, Date, Decimal, FieldType, Integer, Text
from vitrina.errors import SettingsError

TIME_ZONE = "Europe/Moscow"
"""Where a day begins and the week's batch is due: an IANA name."""


@dataclass(frozen=True)
class Field(Column):
    """A column of the feed, with the rules that its value must keep.

    `minimum` and `maximum` are inclusive and belong to integers and decimals; `allowed`
    belongs to labels, and its order is the order in which people list the values.
    """

    type: FieldType
    minimum: int | Money | None = None
    maximum: int | Money | None = None
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contract:
    """The fields of a sale, in their order, and how many days one batch covers.

    It must have the seven fields that the marts are computed from, under their names. A store
    may change their limits and the allowed regions, and add fields of its own, which are
    validated, cleaned and loaded with the rest.

    Raises:
        SettingsError: a needed field is missing, has the wrong kind of type, or `days` is
            not positive.
    """

    fields: tuple[Field, ...]
    days: int = 365

    def __post_init__(self) -> None:
        if self.days < 1:
            raise SettingsError(f"contract: days is {self.days}; a batch covers at least 1 day")
        kinds = {field.name: type(field.type) for field in self.fields}
        if len(kinds) != len(self.fields):
            raise SettingsError("contract: two fields have the same name")
        for name, kind in _NEEDED.items():
            if kinds.get(name) is not kind:
                found = kinds[name].__name__ if name in kinds else "missing"
                raise SettingsError(
                    f"contract: field {name} is {found}; the marts need it as {kind.__name__}"
                )
        for field in self.fields:
            if isinstance(field.type, Text) and not field.allowed:
                raise SettingsError(f"contract: field {field.name} is Text and allows no value")

    def __getitem__(self, name: str) -> Field:
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"the contract has no field {name}; it has {', '.join(self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)

    @property
    def regions(self) -> tuple[str, ...]:
        return self["region"].allowed


_NEEDED = {
    "sale_id": Integer,
    "customer_id": Integer,
    "product_id": Integer,
    "quantity": Integer,
    "sale_date": Date,
    "sale_amount": Decimal,
    "region": Text,
}

_INT32 = 2**31 - 1
_INT64 = 2**63 - 1

SALES = Contract(
    fields=(
        Field("sale_id", Integer(64), "Identifies the sale", minimum=1, maximum=_INT64),
        Field("customer_id", Integer(32), "Who bought", minimum=1, maximum=_INT32),
        Field("product_id", Integer(32), "What was sold", minimum=1, maximum=_INT32),
        Field("quantity", Integer(32), "Units sold", minimum=1, maximum=10),
        Field("sale_date", Date(), "Day of the sale, within the batch's window"),
        Field(
            "sale_amount",
            Decimal(12, 2),
            "Money received: quantity × the product's price",
            minimum=Money("0.01"),
            maximum=Money("9999999999.99"),
        ),
        Field(
            "region",
            Text(),
            "Where it was sold",
            allowed=("North", "South", "East", "West"),
        ),
    )
)


@dataclass(frozen=True)
class Batch:
    """One run's data, named by its date: the sales of `contract.days` days before `as_of`."""

    as_of: datetime.date
    contract: Contract = SALES

    @property
    def first_day(self) -> datetime.date:
        """The first day of the window `first_day <= sale_date < as_of`."""
        return self.as_of - datetime.timedelta(days=self.contract.days)
