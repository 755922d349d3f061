"""What a job's file may say, and what it may not: each slip is told in a sentence."""

from __future__ import annotations

import pytest

from qflib.errors import DataError, InputError
from qflib.jobs import job_names, load_job
from qflib.jobs.cron import check_cron
from qflib.jobs.parameters import Parameter, checked, from_text, resolved
from tests.jobs.conftest import TOML, Project


def test_the_projects_own_jobs_are_whole() -> None:
    assert "daily_risk" in job_names()
    for name in job_names():
        job = load_job(name)
        assert job.cron is not None
        assert job.notebook.is_file()
        assert all(p.help for p in job.parameters.values())


def test_a_job_of_the_folder_one_stands_in(project: Project) -> None:
    assert job_names() == ["tiny"]
    job = load_job("tiny")
    assert (job.cron, job.time_zone, job.calendar, job.timeout_s) == (None, "UTC", "24/7", 30.0)
    assert (job.missed, job.retries, job.publish) == ("latest", 2, "report")
    assert job.parameters["n"].default == 1


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('crom = "* * * * *"', "'crom' is no field of a job"),
        ('cron = "99 * * * *"', "has the minute '99'"),
        ('cron = "* * * * 1"', "has the day of the week '1'; give mon to sun"),
        ('time_zone = "Mars/Base"', "time_zone 'Mars/Base' is unknown"),
        ('calendar = "MOON"', "calendar 'MOON' is unknown; give one of 24/7, XNYS"),
        ("timeout_s = -1", "'timeout_s' is wrong"),
        ('missed = "later"', "'missed' is wrong"),
        ("retries = -1", "'retries' is wrong"),
        ('publish = "news"', "'publish' is wrong"),
        ('cron = "0 0 * jan/2 *"', "has the month 'jan/2'"),
        ('settings = ["limits.ess"]', "setting 'limits.ess' is none of desk, limits, strategy"),
        ('settings = ["broker.options"]', "setting 'broker.options' is none"),
        ("cron = [", "not readable TOML"),
        ('[parameters.api_key]\ntype = "str"\ndefault = ""', "'api_key' sounds like a secret"),
        ('[parameters.db_pwd]\ntype = "str"\ndefault = ""', "'db_pwd' sounds like a secret"),
        ('[parameters.passphrase]\ntype = "str"\ndefault = ""', "'passphrase' sounds like a secret"),
        ('[parameters.m]\ntype = "str"\ndefault = "postgres://me:pw@db/x"', "'m' has a password in its address"),
        ('[parameters.as_of]\ntype = "str"\ndefault = ""', "'as_of' cannot have this name"),
        ('[parameters.m]\ntype = "int"\ndefault = "7"', "parameter m of job tiny is '7'; give a whole number"),
        ('[parameters.m]\ntype = "int"\ndefault = true', "is True; give a whole number"),
        ('[parameters.m]\ntype = "money"\ndefault = 1', "'parameters.m.type' is wrong"),
        ('[parameters.m]\ntype = "str"\ndefault = "c"\nchoices = ["a"]', "is 'c'; give one of a"),
    ],
)
def test_slips_of_a_file(project: Project, line: str, sentence: str) -> None:
    own = TOML.replace("timeout_s = 30\n", "") if line.startswith("timeout_s") else TOML
    head, _, tail = own.partition("\n\n")
    project.write("1", toml=f"{head}\n{line}\n\n{tail}")
    with pytest.raises(DataError, match=r"tiny\.toml") as told:
        load_job("tiny")
    assert sentence in str(told.value)


def test_a_file_whose_name_is_none(project: Project) -> None:
    """It is told as any other slip: the API's list and the dashboard's page pass over it and show the others."""
    (project.root / "pipelines" / "jobs" / "Bad-Name.toml").write_text("")
    with pytest.raises(DataError, match=r"Bad-Name\.toml: 'Bad-Name' cannot be a job's name"):
        load_job("Bad-Name")


def test_a_number_that_is_no_float() -> None:
    with pytest.raises(InputError, match="parameter x of job j is 'a number of hundreds of digits'; give a finite"):
        checked("j", "x", Parameter(type="float", default=1.0), 10**400)


def test_what_is_missing(project: Project) -> None:
    with pytest.raises(InputError, match="there is no job 'tinny'; did you mean tiny"):
        load_job("tinny")
    with pytest.raises(InputError, match="there is no job"):
        load_job("../tiny")
    (project.root / "notebooks" / "tiny.ipynb").unlink()
    with pytest.raises(DataError, match=r"names the notebook notebooks/tiny\.ipynb, which does not exist"):
        load_job("tiny")


@pytest.mark.parametrize("good", ["* * * * *", "*/15 9-16 1,15 jan-jun mon,wed", "0 0 31 12 sun", "5-50/5 * * feb *"])
def test_crons(good: str) -> None:
    check_cron(good)


@pytest.mark.parametrize(
    "bad",
    ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "50-5 * * * *", "*/0 * * * *"],
)
def test_no_crons(bad: str) -> None:
    with pytest.raises(InputError, match="cron"):
        check_cron(bad)


DECLARED = {
    "n": Parameter(type="int", default=1),
    "x": Parameter(type="float", default=0.5),
    "b": Parameter(type="bool", default=False),
    "s": Parameter(type="str", default="a", choices=("a", "b")),
}


def test_parameters_by_text_and_by_value() -> None:
    given = from_text("j", DECLARED, ["n=3", "x=1e-3", "b=TRUE", "s=b"])
    assert resolved("j", DECLARED, given) == {"n": 3, "x": 0.001, "b": True, "s": "b"}
    assert resolved("j", DECLARED, {"x": 2}) == {"n": 1, "x": 2.0, "b": False, "s": "a"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (["n"], "'n' is not name=value"),
        (["n=1", "n=2"], "n is given twice"),
        (["n=1.5"], "parameter n of job j is '1.5'; give a whole number"),
        (["x=much"], "give a finite number"),
        (["x=nan"], "give a finite number"),
        (["b=yes"], "give true or false"),
        (["s=c"], "is 'c'; give one of a, b"),
        (["seed=7"], "no parameter 'seed'"),
        (["nn=7"], "did you mean n"),
    ],
)
def test_wrong_parameters(text: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        resolved("j", DECLARED, from_text("j", DECLARED, text))


@pytest.mark.parametrize("value", [True, "7", 7.0, None])
def test_a_value_of_another_type_is_none(value: object) -> None:
    with pytest.raises(InputError, match="give a whole number"):
        resolved("j", DECLARED, {"n": value})
