import holoviews as hv
import numpy as np
import pandas as pd
import pytest

from qflib.errors import DataError, InputError
from qflib.kernels.ssvi import ssvi_gradient_batch, ssvi_variance, ssvi_variance_batch
from qflib.pricing import Surface, black76, fit_surface
from qflib.pricing.svi import svi_durrleman, svi_total_variance

AT = pd.Timestamp("2026-01-05T14:30Z")
RHO, ETA, GAMMA = -0.4, 1.1, 0.35
YEARS = np.array([0.05, 0.25, 1.0])
THETA = np.array([0.003, 0.012, 0.045])


def chain(noise: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    rows = []
    for years, theta in zip(YEARS, THETA, strict=True):
        for strike in np.arange(80.0, 125.0, 2.5):
            k = np.log(strike / 100.0)
            vol = np.sqrt(ssvi_variance(k, theta, RHO, ETA, GAMMA) / years) + noise * rng.normal()
            rows.append(("put" if strike < 100 else "call", strike, years, vol))
    made = pd.DataFrame(rows, columns=["right", "strike", "years", "vol"])
    made = made.assign(underlying="ACME", forward=100.0, rate=0.02, expiry=AT + made["years"] * pd.Timedelta(days=365))
    made["mid"] = black76(made["right"], 100.0, made["strike"], made["years"], made["vol"], 0.02)
    return made.assign(bid=made["mid"] * 0.98, ask=made["mid"] * 1.02)


def test_fit_finds_the_surface_that_made_the_chain():
    surface = fit_surface(chain())
    assert (surface.rho, surface.eta, surface.gamma) == pytest.approx((RHO, ETA, GAMMA), abs=1e-4)
    assert surface.theta == pytest.approx(THETA, rel=1e-5)
    assert surface.rmse < 1e-6
    assert surface.at == AT
    expiry = AT + pd.Timedelta(days=365)
    assert surface.vol(100.0, expiry) == pytest.approx(np.sqrt(0.045), rel=1e-5)
    assert surface.vol(100.0, 2.0) == pytest.approx(np.sqrt(0.045), rel=1e-5)  # flat beyond


@pytest.mark.parametrize("years", [0.05, 0.6, 1.0])
def test_the_density_is_what_butterflies_are_worth(years: float) -> None:
    """Second differences of call prices, which sum to one and to the forward."""
    surface = fit_surface(chain())
    strikes, h = np.linspace(60.0, 160.0, 21), 0.01
    up, mid, down = (
        black76("call", 100.0, s, years, surface.vol(s, years), 0.0) for s in (strikes + h, strikes, strikes - h)
    )
    np.testing.assert_allclose(surface.density(strikes, years), (up - 2 * mid + down) / h**2, atol=2e-8, rtol=2e-4)
    fine = np.linspace(1.0, 600.0, 200_001)
    density = surface.density(fine, years)
    assert density.min() >= 0
    assert np.trapezoid(density, fine) == pytest.approx(1.0, abs=1e-3)
    assert np.trapezoid(density * fine, fine) == pytest.approx(100.0, rel=1e-3)
    assert surface.density(100.0, years) == pytest.approx(surface.density([100.0], years)[0])


def test_pictures_of_density_and_surface() -> None:
    surface = fit_surface(chain())
    lines = surface.plot_density()
    assert len(lines) == len(YEARS)
    assert all(float(np.nanmin(line.dimension_values("density"))) >= 0 for line in lines)
    vols = surface.plot_surface()
    assert vols.dimension_values("vol").size == 61 * 40
    assert hv.render(lines)
    assert hv.render(vols)
    one = fit_surface(chain().query("years == 1.0"))
    with pytest.raises(InputError, match="one expiry"):
        one.plot_surface()


def test_noisy_fit_is_free_of_arbitrage():
    surface = fit_surface(chain(noise=0.02))
    assert surface.butterfly_free
    assert surface.calendar_free
    assert 0.005 < surface.rmse < 0.05
    k, t = np.linspace(-1.5, 1.5, 201), np.geomspace(0.01, 3.0, 40)
    w = surface.total_variance(k, t[:, None])
    assert np.all(np.diff(w, axis=0) >= -1e-12)
    for row in w:  # Durrleman by finite differences
        h = k[1] - k[0]
        slope, bend = (row[2:] - row[:-2]) / (2 * h), (row[2:] - 2 * row[1:-1] + row[:-2]) / h**2
        mid = row[1:-1]
        g = (1 - k[1:-1] * slope / (2 * mid)) ** 2 - slope**2 / 4 * (1 / mid + 0.25) + bend / 2
        assert g.min() > -1e-3


def test_flags_tell_an_arbitrage():
    good = fit_surface(chain())
    terms = {f: getattr(good, f) for f in good.__dataclass_fields__}
    assert not Surface(**(terms | {"eta": 4.0})).butterfly_free
    assert not Surface(**(terms | {"theta": np.array([0.02, 0.01, 0.03])})).calendar_free


def test_shows_itself():
    import holoviews as hv

    surface = fit_surface(chain())
    assert isinstance(surface.plot(), hv.core.Dimensioned)
    assert surface.to_frame()["n_quotes"].tolist() == [18, 18, 18]
    assert "butterfly-free True" in surface._repr_html_()


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match="model 'sabr' is unknown"):
        fit_surface(chain(), model="sabr")
    with pytest.raises(InputError, match="no column 'strike'"):
        fit_surface(chain().drop(columns="strike"))
    with pytest.raises(InputError, match="fit one at a time"):
        fit_surface(chain().assign(underlying=lambda f: np.where(f.index % 2, "A", "B")))
    with pytest.raises(DataError, match="no expiry has 3; check"):
        fit_surface(chain().assign(mid=np.nan))
    surface = fit_surface(chain())
    with pytest.raises(InputError, match="no time zone"):
        surface.vol(100.0, pd.Timestamp("2026-06-01"))
    with pytest.raises(InputError, match="is not after"):
        surface.vol(100.0, AT - pd.Timedelta(days=1))
    with pytest.raises(InputError, match="strike -1 must be positive"):
        surface.vol(-1, 1.0)


def test_raw_svi():
    k = np.linspace(-1, 1, 5)
    w = svi_total_variance(k, 0.01, 0.1, -0.3, 0.1, 0.2)
    assert w == pytest.approx(0.01 + 0.1 * (-0.3 * (k - 0.1) + np.sqrt((k - 0.1) ** 2 + 0.04)), rel=1e-15)
    flat = svi_durrleman(k, 0.04, 0.0, 0.0, 0.0, 1.0)
    assert flat == pytest.approx(np.ones(5))  # a flat slice is Black's lognormal density
    with pytest.raises(InputError, match=r"SVI rho 1.5 is out of range"):
        svi_total_variance(0.0, 0.0, 0.1, 1.5, 0.0, 0.1)


def test_text_is_a_short_paragraph():
    said = repr(fit_surface(chain()))
    assert said.startswith("Surface(ACME at 2026-01-05 14:30:00+00:00: 3 expiries, 54 quotes; rho -0.400")
    assert len(said) < 250


def test_picture_is_in_vol_points_and_names_its_quotes():
    surface = fit_surface(chain())
    picture = surface.plot()
    figure = hv.render(picture, backend="bokeh")
    assert figure.title.text.startswith("ACME SSVI at 2026-01-05 14:30 UTC, rmse 0.00 vol points")
    assert "points" in figure.yaxis[0].axis_label
    labels = [e.label for e in picture]
    assert labels[:2] == [f"{surface.quotes['expiry'].min():%Y-%m-%d} {what}" for what in ("fit", "quotes")]
    dots = picture.get(1)["vol"]
    assert dots.min() > 10  # 0.2 a year is 20 points


def test_the_gradient_is_that_of_the_surface():
    rng = np.random.default_rng(4)
    k, theta = rng.uniform(-1, 1, 50), rng.uniform(0.01, 0.5, 50)
    terms = {"rho": -0.4, "eta": 0.9, "gamma": 0.4}
    table, moved = np.empty((5, 50)), np.empty((2, 50))
    for a in (k, theta):
        a.flags.writeable = False
    ssvi_gradient_batch(k, theta, *terms.values(), table)
    ssvi_variance_batch(k, theta, *terms.values(), moved[0])
    np.testing.assert_allclose(table[0], moved[0], rtol=1e-14)
    for row, name in enumerate(("theta", *terms), start=1):
        for side, step in enumerate((1e-6, -1e-6)):
            at = {n: v + (step if n == name else 0.0) for n, v in terms.items()}
            shifted = theta + (step if name == "theta" else 0.0)
            shifted.flags.writeable = False
            ssvi_variance_batch(k, shifted, *at.values(), moved[side])
        np.testing.assert_allclose(table[row], (moved[0] - moved[1]) / 2e-6, rtol=2e-6, atol=1e-9)
