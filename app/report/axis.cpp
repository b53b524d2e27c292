#include "app/report/axis.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

namespace mld {
namespace {

// 1, 2 or 5 times a power of ten, at least `least`.
double round_step(double least) {
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= least * (1 - 1e-9)) {
      return factor * power;
    }
  }
  return 10 * power;
}

void place_linear_ticks(Axis& axis, const AxisSpec& spec) {
  double step = round_step((axis.high - axis.low) / spec.ticks);
  step = spec.whole ? std::max(step, 1.0) : step;
  const double first = std::floor(axis.low / step + 1e-9);
  const double last = std::ceil(axis.high / step - 1e-9);
  axis.low = first * step;
  axis.high = last * step;
  const int decimals = std::clamp(static_cast<int>(-std::floor(std::log10(step) + 1e-9)), 0, 9);
  for (double i = first; i <= last; ++i) {
    const double value = i == 0 ? 0 : i * step;
    const bool plain = std::abs(value) < 1e5 && step >= 1e-4;
    axis.ticks.push_back({value, plain ? fmt::format("{:.{}f}", value, decimals)
                                       : number_text(value)});
  }
}

// Powers of ten; within three decades also their double and fivefold.
void place_log_ticks(Axis& axis) {
  const int first = static_cast<int>(std::floor(std::log10(axis.low)));
  const int last = static_cast<int>(std::ceil(std::log10(axis.high)));
  const int every = std::max(1, (last - first) / 6);
  for (int power = first; power <= last; power += every) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double value = factor * std::pow(10, power);
      if (value >= axis.low && value <= axis.high && (factor == 1 || last - first <= 3)) {
        axis.ticks.push_back({value, number_text(value)});
      }
    }
  }
}

}  // namespace

double Axis::fraction(double value) const {
  return log ? (std::log(value) - std::log(low)) / (std::log(high) - std::log(low))
             : (value - low) / (high - low);
}

Axis axis_for(std::span<const double> values, const AxisSpec& spec) {
  const bool log = spec.log && std::ranges::any_of(values, [](double v) {
                     return std::isfinite(v) && v > 0;
                   });
  double low = INFINITY, high = -INFINITY;
  for (const double value : values) {
    if (std::isfinite(value) && (!log || value > 0)) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (low > high) {
    low = 0;
    high = 1;
  }
  low = spec.from_zero && !log ? std::min(low, 0.0) : low;
  if (high - low <= 1e-12 * std::max(std::abs(low), std::abs(high)) || high == low) {
    const double room = spec.whole ? 1 : std::max(std::abs(high) * 0.1, 1e-9);
    low = log ? low / 1.5 : spec.from_zero ? low : low - room;
    high = log ? high * 1.5 : high + room;
  }
  Axis axis{low, high, log};
  if (log) {
    place_log_ticks(axis);
  } else {
    place_linear_ticks(axis, spec);
  }
  return axis;
}

std::string number_text(double value) {
  const double size = std::abs(value);
  if (!std::isfinite(value)) {
    return "–";
  }
  if (size >= 1e6 && size < 1e12) {
    return size < 1e9 ? fmt::format("{:.4g}M", value / 1e6) : fmt::format("{:.4g}G", value / 1e9);
  }
  if (size >= 1e12 || (size > 0 && size < 1e-3)) {
    const int power = static_cast<int>(std::floor(std::log10(size) + 1e-9));
    return fmt::format("{:.4g}e{}", value / std::pow(10, power), power);
  }
  return fmt::format("{:.6g}", value);
}

}  // namespace mld
