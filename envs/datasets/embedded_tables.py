"""Several hundred small tables computed from the public tables that the `vega_datasets` package carries."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
from vega_datasets import local_data

YEAR, MONTH = ("year", "years"), ("month", "months")
MONTHS = tuple(calendar.month_abbr[1:])


@dataclass(frozen=True, slots=True)
class Table:
    """A table before rounding. `values[series][row]`; see `ChartSpec` for the words."""

    source: str
    title: str
    measure: str
    category: tuple[str, str]
    labels: tuple[str, ...]
    series: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    share: bool = False
    """The rows are the parts of a whole: a pie chart makes sense."""


def public_tables() -> Iterator[Table]:
    """Every table, in a fixed order. Rows without a number are left out, and so are tables of under three rows."""
    for family in _FAMILIES:
        for table in family():
            keep = [
                i
                for i in range(len(table.labels))
                if all(pd.notna(column[i]) and column[i] >= 0 for column in table.values)
            ]
            if 3 <= len(keep) <= 8:
                yield Table(
                    table.source,
                    table.title,
                    table.measure,
                    table.category,
                    tuple(str(table.labels[i]) for i in keep),
                    table.series,
                    tuple(tuple(float(column[i]) for i in keep) for column in table.values),
                    table.share,
                )


def _one(
    source: str, title: str, measure: str, category: tuple[str, str], column: pd.Series, share: bool = False
) -> Table:
    """A table of one series from an indexed column."""
    labels = tuple(str(label) for label in column.index)
    return Table(source, title, measure, category, labels, (measure,), (tuple(column),), share)


def _two(source: str, title: str, measure: str, category: tuple[str, str], frame: pd.DataFrame) -> Table:
    """A table of several series, one for each column of the frame."""
    labels = tuple(str(label) for label in frame.index)
    names = tuple(str(name) for name in frame.columns)
    return Table(source, title, measure, category, labels, names, tuple(tuple(frame[c]) for c in frame.columns))


def _windows(column: pd.Series | pd.DataFrame, sizes: Sequence[int]) -> Iterator[pd.Series]:
    """Cuts into consecutive windows that share no row; sizes are cycled."""
    start = turn = 0
    while start < len(column):
        size = sizes[turn % len(sizes)]
        yield column.iloc[start : start + size]
        start, turn = start + size, turn + 1


def _electricity() -> Iterator[Table]:
    frame = local_data.iowa_electricity()
    frame["year"] = frame["year"].dt.year
    wide = frame.pivot(index="year", columns="source", values="net_generation") / 1000
    wide.columns = [{"Fossil Fuels": "Fossil fuels", "Nuclear Energy": "Nuclear"}.get(c, c) for c in wide.columns]
    for year, row in wide.iterrows():
        yield _one("iowa-electricity", f"Electricity in Iowa by source, {year} (TWh)", "net generation",
                   ("source", "sources"), row, share=True)  # fmt: skip
    for name in wide.columns:
        for part in _windows(wide[name], (6, 6, 5)):
            yield _one("iowa-electricity", f"{name} electricity in Iowa (TWh)", "net generation", YEAR, part)
    for part in _windows(wide[["Fossil fuels", "Renewables"]], (4, 4, 5, 4)):
        yield _two("iowa-electricity", "Electricity in Iowa (TWh)", "net generation", YEAR, part)


_SECTORS = {
    "mining_and_logging": "Mining", "construction": "Construction", "durable_goods": "Durable goods",
    "nondurable_goods": "Nondurables", "wholesale_trade": "Wholesale", "retail_trade": "Retail",
    "transportation_and_warehousing": "Transport", "utilities": "Utilities", "information": "Information",
    "financial_activities": "Finance", "professional_and_business_services": "Business",
    "education_and_health_services": "Health", "leisure_and_hospitality": "Leisure", "other_services": "Other",
    "government": "Government", "manufacturing": "Manufacturing",
}  # fmt: skip


def _employment() -> Iterator[Table]:
    frame = local_data.us_employment()
    month = pd.to_datetime(frame["month"])
    wide = frame[list(_SECTORS)].rename(columns=_SECTORS) / 1000
    yearly = wide.groupby(month.dt.year).mean()
    for name in yearly.columns:
        for part in _windows(yearly[name], (5,)):
            yield _one("us-employment", f"US jobs in {name.lower()} (millions)", "number of jobs", YEAR, part)
    groups = (
        ["Construction", "Mining", "Durable goods", "Nondurables", "Utilities"],
        ["Retail", "Wholesale", "Transport", "Information"],
        ["Finance", "Business", "Health", "Leisure", "Other", "Government"],
    )
    for year, row in yearly.iterrows():
        for names in groups:
            yield _one("us-employment", f"US jobs by sector, {year} (millions)", "number of jobs",
                       ("sector", "sectors"), row[names], share=True)  # fmt: skip
    for first, second in (("Construction", "Finance"), ("Retail", "Health"), ("Leisure", "Manufacturing")):
        for part in _windows(yearly[[first, second]], (4, 3, 3)):
            yield _two("us-employment", "US jobs (millions)", "number of jobs", YEAR, part)
    thousands = wide[["Construction", "Finance", "Utilities", "Information"]] * 1000
    for name in thousands.columns:
        for year, part in thousands[name].groupby(month.dt.year):
            months = part.set_axis(MONTHS)
            half = months.iloc[:6] if year % 2 else months.iloc[6:]
            yield _one("us-employment", f"US {name.lower()} jobs, {year} (thousands)", "number of jobs", MONTH, half)


_SYMBOLS = {"MSFT": "Microsoft", "AMZN": "Amazon", "IBM": "IBM", "GOOG": "Google", "AAPL": "Apple"}


def _stocks() -> Iterator[Table]:
    frame = local_data.stocks()
    wide = frame.pivot(index="date", columns="symbol", values="price").rename(columns=_SYMBOLS)
    yearly = wide.groupby(wide.index.year).mean()
    for year, row in yearly.iterrows():
        yield _one(
            "stocks", f"Average stock price, {year} (US dollars)", "average price", ("company", "companies"), row
        )
    for name in yearly.columns:
        for part in _windows(yearly[name].dropna(), (5, 6)):
            yield _one("stocks", f"Average {name} stock price (US dollars)", "average price", YEAR, part)
        for year, part in wide[name].dropna().groupby(wide[name].dropna().index.year):
            months = part.set_axis([MONTHS[stamp.month - 1] for stamp in part.index])
            for half in (months.iloc[:6], months.iloc[6:]):
                yield _one("stocks", f"{name} stock price, {year} (US dollars)", "price", MONTH, half)
    for first, second in (("Microsoft", "Apple"), ("IBM", "Amazon"), ("Google", "IBM")):
        for year, part in wide[[first, second]].groupby(wide.index.year):
            quarter = part.iloc[1::3].set_axis([MONTHS[stamp.month - 1] for stamp in part.iloc[1::3].index])
            yield _two("stocks", f"Stock prices, {year} (US dollars)", "price", MONTH, quarter)


def _weather() -> Iterator[Table]:
    frame = local_data.seattle_weather()
    frame["date"] = pd.to_datetime(frame["date"])
    measures = {
        "precipitation": ("Rainfall in Seattle", "rainfall", "mm", "sum"),
        "temp_max": ("Average daily high in Seattle", "average high", "°C", "mean"),
        "temp_min": ("Average daily low in Seattle", "average low", "°C", "mean"),
        "wind": ("Average wind in Seattle", "average wind speed", "m/s", "mean"),
    }
    for year, days in frame.groupby(frame["date"].dt.year):
        month = days["date"].dt.month
        for column, (title, measure, unit, how) in measures.items():
            monthly = days.groupby(month)[column].agg(how).set_axis(MONTHS)
            for half in (monthly.iloc[:6], monthly.iloc[6:]):
                yield _one("seattle-weather", f"{title}, {year} ({unit})", measure, MONTH, half, share=how == "sum")
        for number, part in days.groupby(month):
            counts = part["weather"].str.capitalize().value_counts().sort_index()
            yield _one("seattle-weather", f"Days by weather, {MONTHS[number - 1]} {year}", "number of days",
                       ("weather type", "weather types"), counts, share=True)  # fmt: skip
        highs = days.groupby(month)[["temp_max", "temp_min"]].mean().set_axis(MONTHS)
        highs.columns = ["High", "Low"]
        for part in _windows(highs, (4,)):
            yield _two("seattle-weather", f"Seattle temperature, {year} (°C)", "temperature", MONTH, part)


def _temperatures() -> Iterator[Table]:
    cities = {"Seattle": local_data.seattle_temps(), "San Francisco": local_data.sf_temps()}
    series = {name: frame.set_index(pd.to_datetime(frame["date"]))["temp"] for name, frame in cities.items()}
    for name, temp in series.items():
        for number, part in temp.groupby(temp.index.month):
            hourly = part.groupby(part.index.hour).mean()
            for offset in (0, 2):
                rows = hourly.iloc[offset::4].set_axis([f"{hour:02d}:00" for hour in hourly.index[offset::4]])
                yield _one("city-temps", f"{name} by hour, {MONTHS[number - 1]} 2010 (°F)", "average temperature",
                           ("hour", "hours"), rows)  # fmt: skip
    monthly = pd.DataFrame({name[:7]: temp.groupby(temp.index.month).mean() for name, temp in series.items()})
    monthly.columns = ["Seattle", "San Francisco"]
    for part in _windows(monthly.set_axis(MONTHS), (4,)):
        yield _two("city-temps", "Average temperature, 2010 (°F)", "average temperature", MONTH, part)


_MAKES = {"chevy": "chevrolet", "chevroelt": "chevrolet", "toyouta": "toyota", "vw": "volkswagen",
          "vokswagen": "volkswagen", "maxda": "mazda", "datsun": "datsun"}  # fmt: skip


def _cars() -> Iterator[Table]:
    frame = local_data.cars()
    frame["year"] = pd.to_datetime(frame["Year"]).dt.year
    make = frame["Name"].str.split().str[0]
    frame["make"] = make.replace(_MAKES).str.capitalize().replace({"Bmw": "BMW", "Amc": "AMC"})
    frame["cylinders"] = frame["Cylinders"].astype(str) + " cylinders"
    measures = {
        "Miles_per_Gallon": ("Average miles per gallon", "average mpg"),
        "Horsepower": ("Average horsepower", "average horsepower"),
        "Weight_in_lbs": ("Average weight (pounds)", "average weight"),
        "Acceleration": ("Seconds from 0 to 60 mph", "average time"),
        "Displacement": ("Average displacement", "average displacement"),
    }
    groups = {"Origin": ("origin", "origins"), "cylinders": ("engine type", "engine types")}
    makes, years = ("make", "makes"), frame.groupby("year")
    for column, (title, measure) in measures.items():
        for key, category in groups.items():
            yield _one("cars", f"{title} by {category[0]}", measure, category, frame.groupby(key)[column].mean())
        for origin, part in frame.groupby("Origin"):
            common = part["make"].value_counts().index[:6]
            rows = part[part["make"].isin(common)].groupby("make")[column].mean()
            yield _one("cars", f"{title}, cars from {origin}", measure, makes, rows)
        for part in _windows(years[column].mean(), (6,)):
            yield _one("cars", f"{title} by model year", measure, YEAR, part)
        for year, part in years:
            yield _one("cars", f"{title} by origin, {year}", measure, groups["Origin"],
                       part.groupby("Origin")[column].mean())  # fmt: skip
            if column in ("Miles_per_Gallon", "Horsepower"):
                common = part["make"].value_counts().index[:5]
                rows = part[part["make"].isin(common)].groupby("make")[column].mean()
                yield _one("cars", f"{title} by make, {year}", measure, makes, rows)
    for column in ("Miles_per_Gallon", "Horsepower"):
        title, measure = measures[column]
        wide = frame.pivot_table(index="year", columns="Origin", values=column)
        for part in _windows(wide[["Europe", "USA"]], (4,)):
            yield _two("cars", f"{title} by origin", measure, YEAR, part)
    for year, part in years:
        yield _one("cars", f"Car models by origin, {year}", "number of models", groups["Origin"],
                   part["Origin"].value_counts().sort_index(), share=True)  # fmt: skip
        yield _one("cars", f"Car models by make, {year}", "number of models", makes,
                   part["make"].value_counts().iloc[:6].sort_index(), share=True)  # fmt: skip


def _barley() -> Iterator[Table]:
    frame = local_data.barley().rename(columns={"yield": "crop"})
    frame["variety"] = frame["variety"].replace({"Wisconsin No. 38": "Wisconsin 38"})
    site, variety = ("site", "sites"), ("variety", "varieties")
    for (name, year), part in frame.groupby(["variety", "year"]):
        yield _one("barley", f"{name} barley yield, {year} (bushels)", "yield", site, part.set_index("site")["crop"])
    for (name, year), part in frame.groupby(["site", "year"]):
        for rows in _windows(part.set_index("variety")["crop"], (5,)):
            yield _one("barley", f"Barley yield, {name}, {year} (bushels)", "yield", variety, rows)
    for name, part in frame.groupby("variety"):
        wide = part.pivot(index="site", columns="year", values="crop")
        for part in _windows(wide, (3,)):
            yield _two("barley", f"{name} barley yield (bushels)", "yield", site, part)


def _wheat() -> Iterator[Table]:
    frame = local_data.wheat().set_index("year")
    for part in _windows(frame["wheat"].dropna(), (6, 5, 7)):
        yield _one("wheat", "Price of wheat (shillings per quarter)", "price of wheat", YEAR, part)
    for part in _windows(frame["wages"].dropna(), (5, 6)):
        yield _one("wheat", "Weekly wage (shillings)", "weekly wage", YEAR, part)


def _crimea() -> Iterator[Table]:
    frame = local_data.crimea()
    dates = pd.to_datetime(frame["date"])
    causes = frame[["disease", "wounds", "other"]].rename(columns=str.capitalize)
    for i, stamp in enumerate(dates):
        row = causes.iloc[i]
        yield _one("crimea", f"Army deaths by cause, {stamp:%b %Y}", "number of deaths", ("cause", "causes"),
                   row[row > 0], share=True)  # fmt: skip
    for name in causes.columns:
        for part in _windows(causes[name].set_axis([f"{stamp:%b %y}" for stamp in dates]), (5, 6, 7)):
            yield _one("crimea", f"Army deaths, cause: {name.lower()}", "number of deaths", MONTH, part, share=True)


def _driving() -> Iterator[Table]:
    frame = local_data.driving().drop_duplicates("year").set_index("year")
    for part in _windows(frame["miles"], (6, 7, 5)):
        yield _one("driving", "Miles driven per person in the US", "miles driven", YEAR, part)
    for part in _windows(frame["gas"], (5, 6, 7)):
        yield _one("driving", "Price of gasoline (dollars a gallon)", "price of gasoline", YEAR, part)


def _airports() -> Iterator[Table]:
    frame = local_data.airports()
    counts = frame[frame["country"] == "USA"]["state"].value_counts()
    states = counts[[len(str(name)) == 2 and n >= 3 for name, n in counts.items()]].sort_index()
    for part in _windows(states, (6, 5, 7)):
        yield _one("airports", "Airports by state", "number of airports", ("state", "states"), part, share=True)
    for part in _windows(states.sort_values(kind="stable"), (5, 6)):
        yield _one("airports", "Number of airports", "number of airports", ("state", "states"), part, share=True)


def _iris() -> Iterator[Table]:
    frame = local_data.iris()
    frame["species"] = frame["species"].str.capitalize()
    for column, name in {"sepalLength": "sepal length", "sepalWidth": "sepal width",
                         "petalLength": "petal length", "petalWidth": "petal width"}.items():  # fmt: skip
        for how, word in (("mean", "Average"), ("max", "Largest"), ("min", "Smallest")):
            rows = frame.groupby("species")[column].agg(how)
            yield _one("iris", f"{word} {name} of irises (cm)", f"{word.lower()} {name}", ("species", "species"), rows)


def _daily_prices() -> Iterator[Table]:
    frame = local_data.ohlc()
    days = pd.to_datetime(frame["date"])
    for column in ("open", "high", "low", "close"):
        prices = frame[column].set_axis([f"{stamp:%b} {stamp.day}" for stamp in days])
        for part in _windows(prices, (5, 6, 7)):
            yield _one("ohlc", f"Volatility index 2009, {column}", f"{column} value", ("date", "dates"), part)


_FAMILIES: tuple[Callable[[], Iterator[Table]], ...] = (
    _electricity, _employment, _stocks, _weather, _temperatures, _cars, _barley, _wheat, _crimea, _driving,
    _airports, _iris, _daily_prices,
)  # fmt: skip
