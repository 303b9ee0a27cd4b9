"""What a sale is, declared once and handed to every step.

The Spark schema, the tables in PostgreSQL and ClickHouse, the validation rules and the
table in `docs/contract.md` all follow from a `Contract`. A store with other regions, limits or
fields has another `Contract`; no step has to change.
"""

from dataclasses import dataclass
from decimal import Decimal

from vitrina.columns import Column, Date, FieldType, FreeText, Integer, Label, Numeric
from vitrina.errors import SettingsError

TIME_ZONE = "Europe/Moscow"
"""Where a day begins and the week's batch is due: an IANA name."""


@dataclass(frozen=True)
class Field(Column):
    """A column of the feed, with the rules that its value must keep.

    `minimum` and `maximum` are inclusive and belong to integers and decimals; `allowed`
    belongs to labels, and its order is the order in which people list the values. A label that
    lists none takes any text. `nullable` lets the value be missing.
    """

    type: FieldType
    minimum: int | Decimal | None = None
    maximum: int | Decimal | None = None
    allowed: tuple[str, ...] = ()
    synonyms: tuple[tuple[str, str], ...] = ()
    """What else means one of the allowed values, and which: `("Север", "North")`."""
    other: str | None = None
    """What a text that is not allowed is read as; it is unknown unless this is given."""


@dataclass(frozen=True)
class Contract:
    """The fields of a sale, in their order, and how many days one batch covers.

    It must have the seven fields that the marts are computed from, under their names. A store
    may change their limits, the types of its ids and of the quantity, and the regions; let the
    customer be missing; name the order in `order_id`; and add fields of its own, which are
    validated, cleaned and loaded with the rest.

    A sale with an amount below 0 is a return.

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
        for name, allowed in _NEEDED.items():
            if kinds.get(name) not in allowed:
                found = kinds[name].__name__ if name in kinds else "missing"
                needed = " or ".join(kind.__name__ for kind in allowed)
                raise SettingsError(
                    f"contract: field {name} is {found}; the marts need it as {needed}"
                )
        for field in self.fields:
            if field.nullable and field.name in _ALWAYS_THERE:
                raise SettingsError(f"contract: field {field.name} cannot be missing from a sale")

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
        """The regions that the store lists; none where any is allowed."""
        region = self["region"]
        listed = dict.fromkeys(region.allowed)
        return (*listed, *([region.other] if region.other and region.other not in listed else []))

    @property
    def has_orders(self) -> bool:
        """Whether sales say which order they belong to."""
        return ORDER_ID in self.names

    @property
    def takes_returns(self) -> bool:
        """Whether an amount may be below 0."""
        least = self["sale_amount"].minimum
        return least is None or least < 0


ORDER_ID = "order_id"
"""The field that names the order of a sale, where a store has one."""

_NEEDED = {
    "sale_id": (Integer, FreeText),
    "customer_id": (Integer, FreeText),
    "product_id": (Integer, FreeText),
    "quantity": (Integer, Numeric),
    "sale_date": (Date,),
    "sale_amount": (Numeric,),
    "region": (Label,),
}
_ALWAYS_THERE = set(_NEEDED) - {"customer_id"}

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
            Numeric(12, 2),
            "Money received: quantity × the product's price",
            minimum=Decimal("0.01"),
            maximum=Decimal("9999999999.99"),
        ),
        Field(
            "region",
            Label(),
            "Where it was sold",
            allowed=("North", "South", "East", "West"),
        ),
    )
)
