"""A file to be imported is read whole, and every mistake in it is told with its line before anything is sent."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signals.config import Config
from signals.imported import ImportedMember, ImportedUsage, ImportedWorkspace
from streams.import_file import ImportRefused, file_time, read_import_file

CONFIG = Config.model_validate({"plans": {"order": ["team"]}, "events": {"activated": ["Report Shared"]}})
AT = 1_772_409_600_000
MARCH = 1_740_787_200_000
CSV = """workspace,plan,seats,activated_at,user,email,user_activated_at
acme,team,10,2025-03-01,ann,ann@acme.example,2025-03-01
acme,,,,bob,,
"""


def records(tmp_path: Path, content: str | bytes, **more: Any) -> list[object]:
    path = tmp_path / "import.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [*read_import_file(path, more.get("config", CONFIG), AT).records()]


def refused(tmp_path: Path, content: str | bytes) -> str:
    with pytest.raises(ImportRefused) as caught:
        records(tmp_path, content)
    return str(caught.value).replace(f"{tmp_path / 'import.txt'}: ", "")


IN_ONE_LINE = (
    '{"workspace":"acme","plan":"team","seats":10,"activated_at":"2025-03-01",'
    '"members":[{"id":"ann","email":"ann@acme.example","role":"owner","activated_at":"2025-03-01"},"bob"]}\n'
)
IN_SEVERAL_LINES = (
    '\n{"workspace":"acme","plan":"team"}\n\n{"workspace":"acme","seats":10,"activated_at":"2025-03-01",'
    '"members":[{"user":"ann","email":"ann@acme.example","activated_at":"2025-03-01"}]}\n'
    '{"workspace":"acme","user":"bob"}'
)
EXPECTED = [
    ImportedWorkspace("acme", AT, plan="team", seats=10, activated_at=MARCH),
    ImportedMember("acme", "ann", AT, "@acme.example", MARCH),
    ImportedMember("acme", "bob", AT),
]


@pytest.mark.parametrize(
    "content",
    [
        CSV,
        CSV.replace(",", ";"),
        CSV.replace(",", "\t"),
        CSV.replace("\n", "\r\n"),
        "\ufeff" + CSV,
        CSV.replace("workspace,plan", "Workspace ID,Plan Name").replace("user_activated_at", "User Activated At"),
        CSV.replace("2025-03-01", str(MARCH // 1_000)),
        IN_ONE_LINE,
        IN_SEVERAL_LINES,
    ],
)
def test_tables_and_json_lines_say_the_same(tmp_path: Path, content: str) -> None:
    assert records(tmp_path, content) == EXPECTED
    assert records(tmp_path, gzip.compress(content.encode())) == EXPECTED


def test_whole_address_goes_on_only_where_alerts_show_it(tmp_path: Path) -> None:
    shows = CONFIG.model_copy(update={"alerts": CONFIG.alerts.model_copy(update={"show_email": True})})

    [_, ann, _] = records(tmp_path, CSV, config=shows)

    assert isinstance(ann, ImportedMember)
    assert ann.email == "ann@acme.example"


def test_members_may_stand_in_one_column(tmp_path: Path) -> None:
    assert records(tmp_path, "workspace,members\nacme,ann; bob;\n")[1:] == [
        ImportedMember("acme", "ann", AT),
        ImportedMember("acme", "bob", AT),
    ]


def test_all_columns(tmp_path: Path) -> None:
    line = (
        '{"workspace":7,"name":"Acme","domain":"acme.example","employees":50,"mrr":"99.5","currency":"usd",'
        '"trial_end":"2026-04-01","usage":[{"metric":"calls","used":8,"limit":10,"period":"day"}]}'
    )

    assert records(tmp_path, line) == [
        ImportedWorkspace(
            "7",
            AT,
            name="Acme",
            domain="acme.example",
            employees=50,
            mrr=99.5,
            currency="USD",
            trial_end=1_775_001_600_000,
            usage=(ImportedUsage("calls", 8, 10, "day"),),
        )
    ]


def test_a_user_in_two_workspaces_has_his_earliest_activation_in_both(tmp_path: Path) -> None:
    content = "workspace,user,user_activated_at\nacme,ann,2025-03-02\nglobex,ann,2025-03-01\n"

    assert [one.activated_at for one in records(tmp_path, content) if isinstance(one, ImportedMember)] == [MARCH, MARCH]


def test_same_member_twice_is_one(tmp_path: Path) -> None:
    assert len(records(tmp_path, "workspace,user\nacme,ann\nacme,ann\n")) == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("workspace,actived_at\nacme,1\n", "line 1: there is no column 'actived_at'; did you mean activated_at?"),
        ("plan,seats\nteam,1\n", "line 1: a column `workspace` is missing; there are plan, seats"),
        ("workspace,plan,Plan Name\na,b,c\n", "line 1: the column plan is there twice"),
        ("workspace,seats\nacme,ten\n", "line 2: seats: must be a number of at least 0, such as 10, got 'ten'"),
        ("workspace,seats\nacme,-1\n", "line 2: seats: must be a number"),
        ("workspace,seats\nacme,nan\n", "line 2: seats: must be a number"),
        ("workspace,seats\nacme,1e999\n", "line 2: seats: must be a number"),
        ("workspace,seats\n,1\n", "line 2: workspace: missing"),
        ("workspace,seats\nuser:ann,1\n", "line 2: workspace: an id that begins with user:"),
        ("workspace,activated_at\nacme,soon\n", "line 2: activated_at: must be a time such as 2026-03-01"),
        ("workspace,activated_at\nacme,2099-01-01\n", "line 2: activated_at: 2099-01-01T00:00:00.000Z is after"),
        ("workspace,plan\nacme,--\n", "line 2: plan: must have a letter or a digit"),
        ("workspace,currency\nacme,dollars\n", "line 2: currency: must be a code such as USD"),
        ("workspace,email\nacme,a@b.example\n", "line 2: user: missing"),
        ("workspace,plan\nacme,team,9\n", "line 2: 3 values for 2 columns"),
        ("workspace,plan\nacme,team\nacme,free\n", "line 3: plan: another value than in line 2, of the same workspace"),
        (
            "workspace,user,email\nacme,ann,a@x.example\nacme,ann,b@x.example\n",
            "line 3: email: another address than in line 2, of the same member",
        ),
        (f"workspace\n{'x' * 1_025}\n", "line 2: workspace: an id of 1025 characters; limits.max_id_chars is 1024"),
        ('workspace,plan\nacme,"team\n', "no CSV"),
        ("[1]", "line 1: a JSON array; one object a line is expected"),
        ('{"workspace":"a"}\n[1]\n', "line 2: no JSON object"),
        ('{"workspace":"a"}\n{"workspace":\n', "line 2: no JSON object"),
        ('{"workspace":true}', "line 1: workspace: an id is text or an integer"),
        ('{"workspace":"a","members":12}', "line 1: members: must be a list of user ids"),
        ('{"workspace":"a","members":[{"mail":"x"}]}', "line 1: there is no column 'mail'; did you mean email?"),
        ('{"workspace":"a","usage":[{"used":1,"limit":0}]}', "line 1: usage.limit: must be above 0"),
        (b"workspace,plan\nacme,\xff\n", "line 2: no UTF-8 (byte 5 of the line)"),
        (b"\xff\xfew\x00", "line 1: UTF-16; save it as CSV in UTF-8"),
        (b"PK\x03\x04", "line 1: a spreadsheet or a zip archive"),
        (b"", "no workspace is in it"),
        (b"\n\n", "no workspace is in it"),
        ("workspace,plan\n", "no workspace is in it"),
        ("[" * 5_000, "line 1: a JSON array"),
        ('{"workspace":' + "[" * 100_000, "line 1:"),
        (b"\x1f\x8bbroken", ""),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, content: str | bytes, says: str) -> None:
    assert says in refused(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('workspace,plan\nacme,"team\nbeta,pro\n', "line 2: no CSV: a quote that is opened in this row is not closed"),
        ("workspace,plan\racme,team\r", "line 1: no CSV: lines end with a bare carriage return"),
        ('{"workspace":"acme","members":["ann"," "]}', "line 1: user: missing"),
        ('{"workspace":"acme","members":[""]}', "line 1: user: missing"),
        ('{"workspace":"acme","account":"beta"}', "line 1: workspace is there twice, as 'account' too"),
        ('{"workspace":"acme","members":[{"id":"ann","user":"bob"}]}', "line 1: user is there twice, as 'user' too"),
    ],
)
def test_what_could_be_read_in_two_ways_is_not_guessed(tmp_path: Path, content: str, says: str) -> None:
    assert says in refused(tmp_path, content)


def test_a_cell_may_have_as_many_members_as_a_line(tmp_path: Path) -> None:
    users = [f"user-{number}" for number in range(20_000)]

    found = records(tmp_path, f"workspace,members\nacme,{';'.join(users)}\n , \n")

    assert [one.user_id for one in found if isinstance(one, ImportedMember)] == users


def test_broken_gzip_is_told_wherever_it_is_broken(tmp_path: Path) -> None:
    whole = gzip.compress("".join(["workspace\n", *(f"w{number}\n" for number in range(30_000))]).encode())

    for broken in (whole[:5_000], whole[:5_000] + bytes(100) + whole[5_100:], whole[:-8] + bytes(8)):
        assert "import.txt" not in refused(tmp_path, broken)


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    for content in (CSV.encode(), gzip.compress(CSV.encode())):
        reading, writing = os.pipe()
        os.write(writing, content)
        os.close(writing)
        try:
            assert [*read_import_file(Path(f"/dev/fd/{reading}"), CONFIG, AT).records()] == EXPECTED
        finally:
            os.close(reading)


def test_a_file_out_of_an_archive_without_times_asks_for_one(tmp_path: Path) -> None:
    path = tmp_path / "import.txt"
    path.write_text(CSV)
    os.utime(path, (0, 0))

    with pytest.raises(ImportRefused, match=r"written at 1970-01-01.*--at"):
        file_time(path)


def test_all_mistakes_are_told_up_to_twenty(tmp_path: Path) -> None:
    said = refused(tmp_path, "workspace,seats\n" + "acme,x\n" * 25).splitlines()

    assert len(said) == 21
    assert said[-1] == "and 5 more mistakes; nothing was sent"


def test_no_address_is_in_a_message(tmp_path: Path) -> None:
    assert "secret" not in refused(tmp_path, "workspace,user,email\nacme,ann,secret.example\n")


def test_what_may_not_be_meant_is_said(tmp_path: Path) -> None:
    path = tmp_path / "import.csv"
    path.write_text("workspace,plan,activated_at\nacme,gold,2025-03-01\nglobex,Team,\n")

    assert read_import_file(path, CONFIG, AT).warnings() == [
        "plan 'gold' (1 workspace) is neither in plans.free nor in plans.order: it counts as paid and has no rank",
        "1 workspace without activated_at: sales hears of them once somebody there activates",
    ]


def test_a_file_speaks_of_when_it_was_written(tmp_path: Path) -> None:
    import os

    path = tmp_path / "import.csv"
    path.write_text(CSV)
    os.utime(path, (AT / 1_000, AT / 1_000))

    assert file_time(path) == AT


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.lists(st.sampled_from([*CSV.split(","), '"', ";", "\n", "{", "}", '{"workspace":"a"}', "\0"])).map(
        lambda parts: ",".join(parts).encode()
    )
)
def test_no_file_is_too_much_for_it(tmp_path: Path, content: bytes) -> None:
    found: list[object] | str
    try:
        found = records(tmp_path, content)
    except ImportRefused as error:
        found = str(error)

    assert found
