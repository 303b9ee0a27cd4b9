"""The command line as a user meets it: its output, its exit code, and a process where it counts."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

from tests.commands import VITRINA, Ended, call
from tests.homes import home_folder
from tests.postgres_data import PostgresData
from vitrina.cli import app
from vitrina.pipeline import STEPS
from vitrina.stores.postgres.embedded import embedded_postgres

AS_OF = "2026-11-24"
ROWS = 5_000
DOCS = Path(__file__).parents[1] / "docs"
# How the program names itself to whoever called it; in an activated environment, by name alone.
PROGRAM = "vitrina" if shutil.which("vitrina") == str(VITRINA) else shlex.quote(str(VITRINA))
COMMANDS = typer.main.get_group(app).commands


Call = Callable[..., Ended]


def process_in(home: Path) -> Call:
    """`vitrina` as a process in this folder."""

    def run(*arguments: str, stdout: int = subprocess.PIPE, **environment: str) -> Ended:
        ended = subprocess.run(
            [VITRINA, *arguments],
            env=os.environ | {"VITRINA_HOME": str(home)} | environment,
            cwd=home,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return run


def call_in(home: Path) -> Call:
    """`vitrina` in this folder, without the second or two in which a process imports it."""

    def call_here(*arguments: str, **environment: str) -> Ended:
        return call(home, *arguments, environment={"VITRINA_HOME": str(home)} | environment)

    return call_here


@pytest.fixture(scope="module")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder where nothing has been done yet."""
    with home_folder(tmp_path_factory.mktemp("empty")) as home:
        yield home


@pytest.fixture(scope="module")
def empty(empty_home: Path) -> Call:
    return call_in(empty_home)


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Call, Ended]]:
    """`vitrina` where one batch was run, and how that ended."""
    with home_folder(tmp_path_factory.mktemp("папка с пробелами")) as home:
        ended = process_in(home)("run", "--rows", str(ROWS), "--as-of", AS_OF, "--json")
        # What follows are dozens of commands, for each of which it would start and stop.
        with embedded_postgres(home / "postgres"):
            yield call_in(home), ended


@pytest.fixture(scope="module")
def vitrina(journey: tuple[Call, Ended]) -> Call:
    return journey[0]


def test_a_run_ends_with_a_summary_that_adds_up(journey: tuple[Call, Ended]) -> None:
    _, ended = journey
    assert ended.code == 0, ended.err
    summary = ended.json
    counts = {name: step["counts"] for name, step in summary["steps"].items()}
    assert list(counts) == [step.name for step in STEPS]
    assert counts["generate"]["rows"] == ROWS
    assert counts["validate"]["rows_in"] == counts["generate"]["feed_rows"]
    assert counts["clean"]["rows_in"] == counts["validate"]["valid"]
    assert counts["load"]["total_sales"] == counts["clean"]["clean"]
    assert sum(summary["rejects"].values()) >= counts["validate"]["rejected"]
    assert counts["publish"] == counts["analyze"]
    engines = {each["engine"] for each in summary["reconciliation"]}
    assert engines == {"spark", "postgresql", "clickhouse"}
    assert {each["total_sales"] for each in summary["reconciliation"]} == {counts["clean"]["clean"]}
    assert {each["total_sales_amount"] for each in summary["reconciliation"]} == {
        counts["clean"]["total_sales_amount"]
    }


def test_progress_goes_to_stderr_a_line_for_each_step(journey: tuple[Call, Ended]) -> None:
    _, ended = journey
    told = [line.split()[1] for line in ended.err.splitlines() if line.startswith("✓")]
    assert told == [step.name for step in STEPS]


def test_the_steps_one_by_one_give_what_the_run_gave(journey: tuple[Call, Ended]) -> None:
    vitrina, ended = journey
    counts = {name: step["counts"] for name, step in ended.json["steps"].items()}
    recipe = ("--rows", str(ROWS))
    for step in STEPS:
        again = vitrina(
            step.name, "--as-of", AS_OF, "--json", *(recipe if step.name == "generate" else ())
        )
        assert again.code == 0, again.err
        assert again.json == {"as_of": AS_OF, "step": step.name, **counts[step.name]}


def test_a_batch_that_is_kept_can_be_shown(vitrina: Call) -> None:
    assert vitrina("show", "--as-of", AS_OF).out == f"PostgreSQL shows batch {AS_OF}\n"
    assert vitrina("show", "--as-of", AS_OF, "--json").json == {"as_of": AS_OF}


def test_the_summary_is_of_the_batch_that_postgresql_shows(vitrina: Call) -> None:
    shown = vitrina("summary")
    assert shown.code == 0, shown.err
    for part in (f"Batch {AS_OF}", "Rejects by reason", f"Reconciliation of {AS_OF}"):
        assert part in shown.out
    assert "NO" not in shown.out.split()
    assert vitrina("summary", "--as-of", AS_OF).out == shown.out


def test_the_summary_names_commands_that_work(vitrina: Call) -> None:
    shown = vitrina("summary").out
    commands = [line for line in shown.splitlines() if line.startswith(f"  {PROGRAM} ")]
    assert len(commands) == 3
    for command in commands:
        ended = vitrina(*shlex.split(command)[1:])
        assert ended.code == 0, ended.err


def test_the_status_is_the_ledger_with_a_verdict_on_each_import(vitrina: Call) -> None:
    (entry,) = vitrina("status", "--json").json
    assert entry["as_of"] == AS_OF
    assert entry["is_current"]
    assert entry["rows_in"] == entry["clean"] + entry["rejected"] + entry["collapsed"]
    assert {each["engine"] for each in entry["reconciliation"]} == {
        "spark",
        "postgresql",
        "clickhouse",
    }
    shown = vitrina("status", COLUMNS="80").out
    (line,) = [line for line in shown.splitlines() if line.startswith(AS_OF)]
    assert f"{entry['clean']:,}" in line
    assert line.split()[-1] == "✓"


@pytest.mark.parametrize("store", ["postgres", "clickhouse"])
def test_both_stores_answer_queries_with_the_same_figures(vitrina: Call, store: str) -> None:
    query = (
        "SELECT region, total_sales, total_sales_amount, average_sale_amount, share, sales_rank "
        "FROM sales_by_region ORDER BY sales_rank"
    )
    ended = vitrina("sql", store, query, "--json")
    assert ended.code == 0, ended.err
    assert [row["sales_rank"] for row in ended.json] == [1, 2, 3, 4]
    assert ended.json == vitrina("sql", "postgres", query, "--json").json
    table = vitrina("sql", store, query)
    assert ended.json[0]["total_sales_amount"] in table.out
    assert "4 rows" in table.err


@pytest.mark.parametrize("store", ["postgres", "clickhouse"])
def test_a_query_shows_brackets_and_missing_values_as_they_are(vitrina: Call, store: str) -> None:
    ended = vitrina("sql", store, "SELECT '[red]x' AS a, NULL AS b")
    assert "[red]x" in ended.out
    assert "None" not in ended.out


@pytest.mark.parametrize(
    ("store", "table"), [("postgres", "vitrina.sale"), ("clickhouse", "sales_by_region")]
)
def test_a_query_cannot_change_anything(vitrina: Call, store: str, table: str) -> None:
    before = vitrina("sql", store, f"SELECT count(*) AS n FROM {table}", "--json").json
    for change in (
        f"DELETE FROM {table} WHERE 1 = 1",
        f"DROP TABLE {table}",
        "COPY (SELECT 1) TO PROGRAM 'touch changed'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT 1 INTO OUTFILE 'changed'",
    ):
        refused = vitrina("sql", store, change)
        assert refused.code == 1
        assert_one_line(refused)
    assert vitrina("sql", store, f"SELECT count(*) AS n FROM {table}", "--json").json == before


EXPORT = """id;product;pieces;day;amount;city
1;tea;2;24.10.2026;10,50;Berlin
2;tea;1;25.10.2026;5,25;Hamburg
3;milk;1;25.10.2026;5,255;Hamburg
4;milk;1;26.10.2026;-5,25;Hamburg
"""


@pytest.fixture(scope="module")
def shop_home(
    tmp_path_factory: pytest.TempPathFactory, postgres_data: PostgresData
) -> Iterator[Path]:
    with home_folder(tmp_path_factory.mktemp("shop")) as home:
        postgres_data.copy_to(home / "postgres")
        with embedded_postgres(home / "postgres"):
            yield home


@pytest.fixture(scope="module")
def shop(shop_home: Path) -> tuple[Call, Ended]:
    """`vitrina` in the folder of a store with exports, and how a run of it ended."""
    home, called = shop_home, call_in(shop_home)
    (home / "exports").mkdir()
    (home / "exports" / "october.csv").write_text(EXPORT)
    ended = called("inspect", "exports", "--out", "store.toml")
    assert ended.code == 0, ended.err
    assert ended.out == "store.toml\n"
    proposed = (home / "store.toml").read_text()
    assert proposed.startswith("#:schema file:")
    (home / "store.toml").write_text(re.sub("(?m)^name = .*", 'name = "berlin"', proposed))
    return (
        called,
        called("run", *STORE, "--as-of", AS_OF, "--json", VITRINA_MAX_REJECTED_SHARE="1"),
    )


STORE = ("--store", "store.toml")


def test_a_store_s_exports_become_marts_of_its_own(shop: tuple[Call, Ended]) -> None:
    called, ended = shop
    assert ended.code == 0, ended.err
    summary = ended.json
    assert (summary["store"], summary["as_of"]) == ("berlin", AS_OF)
    assert [*summary["steps"]] == ["extract", *(step.name for step in STEPS[1:])]
    assert summary["rejects"] == {"sale_amount_too_many_decimals": 1}
    query = "SELECT region, total_sales, total_returns, net_amount FROM sales_by_region ORDER BY 1"
    for database in ("postgres", "clickhouse"):
        assert called("sql", database, query, *STORE, "--json").json == [
            {"region": "Berlin", "total_sales": 1, "total_returns": 0, "net_amount": "10.50"},
            {"region": "Hamburg", "total_sales": 1, "total_returns": 1, "net_amount": "0.00"},
        ]


def test_vitrina_store_is_the_default_of_every_command(shop: tuple[Call, Ended]) -> None:
    called, _ = shop
    shown = called("summary", VITRINA_STORE="store.toml")
    assert shown.code == 0, shown.err
    title = json.loads(called("summary", *STORE, "--json").out)["store"]
    assert title == "berlin"
    assert f"Batch {AS_OF} of " in shown.out
    (entry,) = called("status", "--json", VITRINA_STORE="store.toml").json
    assert (entry["as_of"], entry["source"]) == (AS_OF, "exports/october.csv")
    # The generated shop knows nothing of it.
    assert called("status", "--json").json == []


def test_the_rejects_of_a_store_are_shown_and_written(shop: tuple[Call, Ended]) -> None:
    called, _ = shop
    shown = called("rejects", *STORE, "--as-of", AS_OF)
    assert shown.out == (
        "exports/october.csv, line 4: sale_amount_too_many_decimals\n"
        "    id = 3; product = milk; pieces = 1; day = 25.10.2026; amount = 5,255; city = Hamburg\n"
    )
    as_json = called("rejects", *STORE, "--as-of", AS_OF, "--json").json
    assert (as_json["file"], as_json["line"]) == ("exports/october.csv", 4)
    assert as_json["columns"]["amount"] == "5,255"
    written = called("rejects", *STORE, "--as-of", AS_OF, "--csv", "mend.csv")
    assert written.out == "mend.csv\n"
    refused = called("rejects", *STORE, "--as-of", AS_OF, "--csv", "mend.csv")
    assert refused.code == 1
    assert_one_line(refused)


def test_a_file_is_withdrawn_and_restored(shop: tuple[Call, Ended]) -> None:
    called, _ = shop
    listed = called("archive", *STORE)
    assert listed.out.splitlines()[-1].endswith("exports/october.csv")
    assert listed.err == "1 files\n"
    asked = called("archive", *STORE, "--withdraw", "exports/october.csv")
    assert asked.code == 1
    assert f"counted in {AS_OF}, until these are run again" in asked.out
    assert "nobody can be asked here; give --yes" in asked.err
    assert called("archive", *STORE, "--json").json[0]["withdrawn"] is None
    assert called("archive", *STORE, "--withdraw", "exports/october.csv", "--yes").code == 0
    (file,) = called("archive", *STORE, "--json").json
    assert (file["batches"], file["withdrawn"] is None) == ([AS_OF], False)
    proved = called("prove", *STORE)
    assert proved.code == 0
    assert "1 file; exports/october.csv was withdrawn on " in proved.out
    assert called("archive", *STORE, "--restore", file["sha256"][:12], "--yes").code == 0
    assert called("archive", *STORE, "--json").json[0]["withdrawn"] is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("rejects", "--as-of", AS_OF),
        ("sql", "postgres", "SELECT * FROM generate_series(1, 30000)"),
        ("sql", "clickhouse", "SELECT * FROM numbers(30000)", "--json"),
        ("status",),
        ("status", "--json"),
    ],
)
def test_a_reader_that_has_gone_is_no_error(
    shop: tuple[Call, Ended], shop_home: Path, arguments: tuple[str, ...]
) -> None:
    call = process_in(shop_home)
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = call(*arguments, *STORE, stdout=writing)
    finally:
        os.close(writing)
    assert (ended.code, ended.err.count("Traceback"), ended.err.count("Broken")) == (1, 0, 0)


def test_the_dashboard_of_a_store_has_a_file_of_its_own(shop: tuple[Call, Ended]) -> None:
    called, _ = shop
    page = Path(called("dashboard", *STORE).out.strip())
    assert page.name == "berlin.dashboard.html"
    assert AS_OF in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("generate", *STORE), "begins with: vitrina extract --store store.toml"),
        (("extract",), "give --store store.toml, or set VITRINA_STORE"),
        (("run", *STORE, "--rows", "5"), "--rows and --seed are for the generated shop"),
        (("generate", *STORE, "--seed", "5"), "--rows and --seed are for the generated shop"),
        (
            ("validate", *STORE, "--as-of", "2026-11-17"),
            "run: vitrina extract --store store.toml --as-of 2026-11-17",
        ),
        (("status", "--store", "exports"), "is a folder; name one store in it"),
        (("status", "--store", "absent.toml"), "absent.toml cannot be read: No such file"),
        (("archive",), "the generated shop has no files; give --store store.toml"),
        (("archive", *STORE, "--restore", "x"), "listed by: vitrina archive --store store.toml"),
        (("archive", *STORE, "--restore", "x", "--withdraw", "y"), "give either --withdraw or"),
        (("inspect", "exports", "--out", "store.toml"), "store.toml is there already"),
        (("rejects", *STORE, "--as-of", AS_OF, "--reason", "x"), "no row rejected for x; it has"),
    ],
)
def test_a_mistake_with_a_store_is_one_line_and_exit_code_1(
    shop: tuple[Call, Ended], arguments: tuple[str, ...], complaint: str
) -> None:
    refused = shop[0](*arguments)
    assert refused.code == 1
    assert_one_line(refused)
    assert complaint in refused.err


def assert_one_line(refused: Ended) -> None:
    assert refused.out == ""
    (line,) = refused.err.splitlines()
    assert line.startswith("error: ")
    assert "Traceback" not in refused.err


@pytest.mark.parametrize(
    ("arguments", "environment", "complaint"),
    [
        (("run", "--rows", "0"), {}, "greater than or equal to 1; see: "),
        (("run", "--seed", "-1"), {}, "greater than or equal to 0"),
        (("run", "--as-of", "24.11.2026"), {}, "24.11.2026 is not a date; write it as 2026-11-24"),
        (("run", "--as-of", "0001-01-01"), {}, "the stores hold the days from 1900-01-01 to 2299"),
        (("run", "--as-of", "9999-12-31"), {}, "the stores hold the days from 1900-01-01 to 2299"),
        (("rejects", "--as-of", "1900-12-31"), {}, "batch 1900-12-31 is of the 365 days before"),
        (("status",), {"VITRINA_HOME": 'a"b'}, "set VITRINA_HOME to another"),
        (("rejects",), {"VITRINA_LAKE": "a\nb"}, "a\\x0ab: the engines cannot be told a folder"),
        (("rejects",), {"VITRINA_LAKE": "\udcff"}, "\\udcff: the engines cannot be told a folder"),
        (("status", "--store", "no\nfile"), {}, "file cannot be read: No such file"),
        (("validate", "--as-of", "2026-11-24"), {}, "run: vitrina generate --as-of 2026-11-24"),
        (("load", "--as-of", "2026-11-24"), {}, "run: vitrina "),
        (("publish", "--as-of", "2026-11-24"), {}, "run: vitrina "),
        (("summary",), {}, "no batch has been published yet; run: vitrina run"),
        (("show", "--as-of", "soon"), {}, "--as-of soon is not a date"),
        (("show", "--as-of", "2026-11-24"), {}, "run: vitrina run --as-of 2026-11-24"),
        (("polish",), {}, "No such command 'polish'"),
        (("sql", "oracle", "SELECT 1"), {}, "oracle"),
        (("sql", "postgres", "SELECT nothing"), {}, "nothing"),
        (("status",), {"VITRINA_HOUSE": "x"}, "did you mean VITRINA_HOME?"),
        (("status",), {"VITRINA_POSTGRES_DSN": "postgresql://u:hunter2@127.0.0.1:1/db"}, "127.0"),
        (
            ("generate", "--rows", "1"),
            {"VITRINA_SPARK_REMOTE": "sc://127.0.0.1:1"},
            "Spark does not answer at sc://127.0.0.1:1",
        ),
    ],
)
def test_a_mistake_of_the_users_is_one_line_and_exit_code_1(
    empty: Call, arguments: tuple[str, ...], environment: dict[str, str], complaint: str
) -> None:
    refused = empty(*arguments, **environment)
    assert refused.code == 1
    assert_one_line(refused)
    assert complaint in refused.err
    assert "hunter2" not in refused.err


@pytest.mark.parametrize("zone", ["Nowhere/Land", "MSK-3", ""])
def test_a_zone_that_the_system_does_not_know_matters_to_none(empty_home: Path, zone: str) -> None:
    ended = process_in(empty_home)("sql", "clickhouse", "SELECT timezone()", "--json", TZ=zone)
    assert (ended.code, ended.json) == (0, [{"timezone()": "UTC"}])


def test_a_process_ends_with_the_same_line_and_exit_code(empty: Call, empty_home: Path) -> None:
    assert process_in(empty_home)("summary") == empty("summary")


def test_before_the_first_batch_the_status_says_what_to_run(empty: Call) -> None:
    shown = empty("status")
    assert shown.code == 0
    assert f"run: {PROGRAM} run" in shown.out
    assert empty("status", "--json").json == []


def test_without_a_command_the_help_is_shown(empty_home: Path) -> None:
    shown = process_in(empty_home)()
    assert "Usage: vitrina" in shown.out
    assert "error" not in shown.err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_ends_with_an_example_and_is_documented(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert f"Example: vitrina {name}" in str(command.epilog)
    documented = (DOCS / "cli.md").read_text()
    assert f"`vitrina {name}" in documented
    for parameter in command.params:
        option = parameter.opts[0]
        if option.startswith("--") and option not in {"--help", "--json"}:
            assert option in documented
