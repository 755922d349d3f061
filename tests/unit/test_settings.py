"""File under environment under flags; what is wrong is named."""

from pathlib import Path

import pytest

from qflib import settings
from qflib.errors import SettingsError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_flags_stand_over_environment_over_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("qflib.toml").write_text('data = "here"\n[desk]\nseed = 1\nhorizon = "2D"\n[log]\nlevel = "info"\n')
    assert settings.load().desk.seed == 1
    monkeypatch.setenv("QFLIB_DESK__SEED", "2")
    assert settings.load().desk.seed == 2
    got = settings.load(desk={"seed": 3}, data=None)
    assert (got.desk.seed, got.desk.horizon, got.log.level, got.data) == (3, "2D", "info", Path("here"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[desk]\nseed = -1", "'desk.seed' is -1"),
        ("[desk]\nsede = 1", "'desk.sede' does not exist"),
        ("nope = 1", "'nope' does not exist"),
        ("[desk]\nlevels = [0.025]", "'desk.levels.0' is 0.025"),
        ("[desk]\nlevels = []", "'desk.levels' is []"),
        ("[desk]\nrate = nan", "'desk.rate' is nan"),
        ('[log]\nlevel = "loud"', "'log.level' is 'loud'"),
        ("desk = ", "not readable TOML"),
    ],
)
def test_a_wrong_setting_is_named(text: str, said: str) -> None:
    Path("qflib.toml").write_text(text)
    with pytest.raises(SettingsError) as e:
        settings.load()
    assert said in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    "text",
    [
        "[broker.repository]\nurl = 'http://user:s3cret@mirror/'",
        "[[broker]]\nrepository = 'http://user:s3cret@mirror/'",
        "broker = 'http://user:s3cret@mirror/'",
        "[broker]\noptions = 's3cret'",
    ],
)
def test_what_may_hold_a_password_is_not_shown(text: str) -> None:
    Path("qflib.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"setting 'broker.*' is not shown: ") as e:
        settings.load()
    assert "s3cret" not in str(e.value)


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLIB_DESK__RATE", "fast")
    with pytest.raises(SettingsError, match="QFLIB_DESK__RATE"):
        settings.load()
    monkeypatch.setenv("QFLIB_DESK", "{torn")
    with pytest.raises(SettingsError, match="environment"):
        settings.load()


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("QFLIB_DESK__SEDE", "did you mean QFLIB_DESK__SEED"),
        ("QFLIB_DESK_SEED", "did you mean QFLIB_DESK__SEED"),
        ("qflib_dta", "did you mean QFLIB_DATA"),
        ("QFLIB_ZEPHYR_QUIXOTE_0123456789_XYZZY", "known are QFLIB_SETTINGS"),
        ("QFLIB_DESK__SEED__MORE", "did you mean QFLIB_DESK__SEED"),
    ],
)
def test_a_variable_that_is_no_setting_is_told(variable: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(SettingsError, match=f"variable {variable} .*{said}"):
        settings.load()


def test_the_variables_of_other_parts_and_nested_ones_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("QFLIB_TEST_DATA", "QFLIB_KERNEL_CACHE", "QFLIB_DATA"):
        monkeypatch.setenv(variable, "x")
    monkeypatch.setenv("qflib_log__level", "info")
    monkeypatch.setenv("QFLIB_DESK", '{"seed": 4}')
    assert (settings.load().log.level, settings.load().desk.seed) == ("info", 4)


def test_a_settings_file_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLIB_SETTINGS", "other.toml")
    with pytest.raises(SettingsError, match=r"other\.toml does not exist"):
        settings.load()
    Path("other.toml").write_text("[desk]\nseed = 5")
    assert settings.load().desk.seed == 5


def test_recordings_lie_beside_a_folder_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook's working directory is its own folder."""
    (tmp_path / "shared" / "data").mkdir(parents=True)
    deep = tmp_path / "project" / "notebooks" / "research"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert settings.load().recordings.resolve() == tmp_path / "shared" / "data"
    assert settings.load(data="elsewhere").recordings == Path("elsewhere")
    monkeypatch.setenv("QFLIB_DATA", str(deep))
    assert settings.load().recordings == deep
