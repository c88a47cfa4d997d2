"""Labels made of figures: numbers, prices, dates, times, phone numbers, plates and codes."""

from __future__ import annotations

from wildtext.synth.corpus.draws import DIGITS, UPPER, Random, between, fill, pick, run

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LOOK_ALIKES = "0O1Il5S8B2Z6G"

# In patterns # is a digit, @ a capital, * either.
_RARE_NUMBERS = ("+#", "-#", "#+", "1/2", "3/4", "1/#", "#x#", "##-##", "#&#", "#:#")
_DECIMALS = ("#.#", "#.##", "##.#", "0.##", "#,#", "##.##")
_RARE_PRICES = (
    "{0}.-", "{0},-", "{0}/-", "Rs.{0}", "S${0}", "HK${0}", "US${0}", "RM{0}", "USD {0}", "EUR {0}", "{0}USD",
    "${0},000", "${0}/lb", "${0}K", "{0},{1}", "-{2}%", "${0}!", "${0}+", "{2}c", "{2}p", "$.{1}", "2/${0}",
    "2 for ${0}",
)  # fmt: skip
_DATES = (
    "{1} {0}", "{0} {1}", "{0} {1} {2}", "{1} {0}, {2}", "{1} {2}", "{1}-{2}", "{0}-{1}-{2}", "{1}.{0}", "{3}", "{6}",
    "{3}-{6}", "{3} {0}/{4}", "{3}, {1} {0}", "'{5}", "{2}-{7}", "{8}s", "{1}'{5}",
)  # fmt: skip
_RARE_TIMES = (
    "{0:02}:{1}-{2}:{1}", "{0}-{2}", "24/7", "24HRS", "24h", "{0}h{1}", "{0}:{1}:{1}", "{0}00h", "-{0}:{1}", "{2}00HRS",
    "24 HOURS",
)  # fmt: skip
_OFF = ("%", "%", "%", "%OFF", "% OFF", "%off", "% off", "%!")
_PHONES = (
    "###-####", "###-###-####", "(###)###-####", "1-800-###-####", "1.800.###.####", "###.###.####", "0### ######",
    "+## ## ### ####", "#### ####", "########", "+44 20 #### ####", "0#-########", "###-####-####", "1800 ### ###",
    "(###)", "0## ### ## ##", "##########",
)  # fmt: skip

# As Britain, Germany, France, Italy, Poland, the Netherlands, American states, India, Singapore, Australia, Brazil,
# Sweden, Spain, Turkey and Russia (whose letters look Latin) write them.
_PLATES = (
    "@@## @@@", "@@##@@@", "@-@@ ####", "@@-@@ ###", "@@-###-@@", "@@###@@", "@@ #####", "##-@@@-#", "#@@@###",
    "@@@-####", "@@@ ####", "@@ ## @@ ####", "S@@####@", "@@@-##@", "@@@#@##", "@@@ ###", "#### @@@", "## @@ ###",
    "@###@@##", "@@ ####", "###-@@@", "@@@###",
)  # fmt: skip

# Rooms, floors, bus lines, sizes, models, units of a block, containers, versions.
_CODES = (
    "@##", "@###", "@#", "@#", "@-##", "@@##", "@@###", "@@-###", "@@-####", "@@@-##", "##@", "#@", "###@",
    "@@@###", "#-##", "##-###", "###/##", "##/##", "[##]", "(##)", "#-#", "B#-##", "L##", "#F", "M#", "A#", "@##@",
    "@@@@#######", "@@@U ###### #", "***-***", "****-****", "@#.#", "Rm ###", "#@-##", "No. ##", "No.#", "#-@",
    "###-##", "@@ ##", "@#-@#", "***##", "ISO 9###", "EN ###", "MK#", "v#.#", "@/#", "##-##-##", "###-@",
    "@#-##/##", "@@-@@##@@##", "#XL",
)  # fmt: skip
_ROMANS = (
    "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV", "XV", "XVI", "XX",
    "XXI", "LXX", "MCM", "MCMLX", "MDCCC", "MMXX",
)  # fmt: skip
_UNITS = (
    "km", "KM", "m", "ft", "FT", "mi", "kg", "KG", "g", "lb", "lbs", "oz", "L", "ml", "cl", "t", "mm", "cm", "kW",
    "V", "W", "A", "Hz", "GB", "MB", "MP", "mg", "mph", "km/h", "min", "mins", "hrs", "h", "s", "x", "X", "+", "pc",
    "pcs", "yrs", "in", '"', "K", "G", "D", "HP", "cc", "psi",
)  # fmt: skip


def number(random: Random) -> str:
    """Plain numbers: short ones most, years, thousands, decimals."""
    form = random.random()
    if form < 0.28:
        return str(between(1, 99, random))
    if form < 0.62:
        return run(DIGITS, between(2, 4, random), random)
    if form < 0.74:
        return str(between(1850, 2030, random))
    if form < 0.80:
        return str(between(1, 40, random) * pick((5, 10, 50, 100), random))
    if form < 0.88:
        return run(DIGITS, between(5, 9, random), random)
    if form < 0.93:
        return f"{between(1, 999, random)},{run(DIGITS, 3, random)}"
    return fill(pick(_DECIMALS if form < 0.97 else _RARE_NUMBERS, random), random)


def price(random: Random) -> str:
    """Prices and discounts; their signs are those of ASCII."""
    form = random.random()
    whole = between(1, pick((9, 99, 999), random), random)
    cents = pick(("99", "95", "50", "00", "49", "90", "25", run(DIGITS, 2, random)), random)
    if form < 0.24:
        return f"${whole}.{cents}"
    if form < 0.48:
        return f"${whole}"
    if form < 0.58:
        return f"{whole}.{cents}"
    if form < 0.82:
        return str(between(1, 19, random) * 5) + pick(_OFF, random)
    return pick(_RARE_PRICES, random).format(whole, cents, between(1, 9, random) * 10)


def date(random: Random) -> str:
    """Dates and their parts in the orders of several countries."""
    form = random.random()
    day, month, year = between(1, 31, random), between(1, 12, random), between(1950, 2030, random)
    if form < 0.40:
        order = pick(("{0}{3}{1}{3}{2}", "{1}{3}{0}{3}{2}", "{0:02}{3}{1:02}{3}{2}", "{2}{3}{1:02}{3}{0:02}"), random)
        return order.format(day, month, year if form < 0.2 else f"{year % 100:02}", pick("/-.", random))
    if form < 0.50:
        return f"{day}/{month}"
    name = _MONTHS[month - 1] if random.random() < 0.35 else _MONTHS[month - 1][:3]
    letters, loud = (3 if random.random() < 0.6 else None), random.random() < 0.55
    first, last = (pick(days, random)[:letters] for days in (_DAYS[:4], _DAYS[4:]))
    order = pick(_DATES, random)
    label = order.format(day, name, year, first, month, f"{year % 100:02}", last, year + day, year // 10 * 10)
    return label.upper() if loud else label


def time(random: Random) -> str:
    """Times of day and opening hours."""
    form = random.random()
    hour, minute = between(1, 12, random), pick(("00", "30", "15", "45", f"{between(0, 59, random):02}"), random)
    half = pick(("am", "pm", "AM", "PM", " AM", " PM", "a.m.", "p.m.", "A.M."), random)
    if form < 0.25:
        return f"{hour}:{minute}{half}"
    if form < 0.45:
        return f"{hour}{half}"
    if form < 0.65:
        return f"{between(0, 23, random)}:{minute}"
    if form < 0.72:
        return f"{between(0, 23, random):02}.{minute}"
    if form < 0.84:
        return f"{hour}{half.replace('p', 'a').replace('P', 'A')}-{between(1, 12, random)}{half}"
    order = pick(_RARE_TIMES, random)
    return order.format(hour, minute, between(13, 23, random))


def phone(random: Random) -> str:
    """Phone numbers of several countries."""
    label = fill(pick(_PHONES, random), random)
    return label if random.random() < 0.9 else pick(("Tel:", "TEL.", "T:", "Tel ", "Ph:", "CALL "), random) + label


def plate(random: Random) -> str:
    """Licence plates of several countries."""
    return fill(pick(_PLATES, random), random)


def code(random: Random) -> str:
    """Rooms, sizes, bus lines, serial numbers, and characters that look alike."""
    form = random.random()
    if form < 0.72:
        label = fill(pick(_CODES, random), random)
        return label.lower() if form < 0.05 else label
    if form < 0.84:
        return run(UPPER + DIGITS, between(3, 11, random), random)
    return run(_LOOK_ALIKES, between(2, 7, random), random)


def ordinal(random: Random) -> str:
    """Ordinal and Roman numbers."""
    if random.random() < 0.35:
        return pick(_ROMANS, random)
    count = between(1, pick((12, 12, 99, 200), random), random)
    ending = "th" if count % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{count}{_loud(ending, random)}"


def unit(random: Random) -> str:
    """Amounts with their units."""
    amount = pick((between(1, 9, random), between(1, 99, random), between(1, 20, random) * 50), random)
    whole = str(amount) if random.random() < 0.85 else f"{amount}.{between(0, 9, random)}"
    return whole + ("" if random.random() < 0.85 else " ") + pick(_UNITS, random)


def _loud(text: str, random: Random) -> str:
    return text.upper() if random.random() < 0.55 else text
