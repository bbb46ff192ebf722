// Where numbers are on an axis, and at which of them there are ticks.

function scaleOf(low, high, from, to, isLog) {
  const turn = isLog ? Math.log10 : (value) => value;
  if (low === high) {
    const room = isLog ? 1 : Math.abs(low) * 0.1 || 1;
    [low, high] = isLog ? [low / 10 ** room, high * 10 ** room] : [low - room, high + room];
  }
  const [first, last] = [turn(low), turn(high)];
  const at = (value) => from + ((turn(value) - first) / (last - first)) * (to - from);
  return { low, high, at, isLog };
}

function ticksOf(scale, wanted, isWhole = false) {
  const { low, high, isLog } = scale;
  if (isLog && Math.log10(high / low) >= 2) {
    const [first, last] = [Math.ceil(Math.log10(low)), Math.floor(Math.log10(high))];
    const every = Math.ceil((last - first + 1) / wanted);
    return Array.from({ length: last - first + 1 }, (_, k) => 10 ** (first + k)).filter((_, k) => k % every === 0);
  }
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  if (isWhole) step = Math.max(1, Math.round(step));
  const ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high + step * 1e-9; k++) ticks.push(k * step);
  return ticks;
}

function tick(value, ticks) {
  const size = Math.max(...ticks.map(Math.abs));
  if (size === 0) return "0";
  if (size >= 1e15 || size < 1e-4) return value === 0 ? "0" : value.toExponential(1).replace("e+", "e");
  for (const [unit, letter] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (size >= unit) return value === 0 ? "0" : Number((value / (unit === 1e4 ? 1e3 : unit)).toPrecision(6)) + letter;
  }
  return String(Number(value.toPrecision(6)));
}
