#include "train/analysis/polyline.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <queue>

#include "core/error.h"

namespace mld {
namespace {

double squared_distance(const PlotPoint& p, const PlotPoint& a, const PlotPoint& b) {
  const double dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
  double along = 0;
  if (length > 0) {
    along = std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / length, 0.0, 1.0);
  }
  const double x = p.x - a.x - along * dx, y = p.y - a.y - along * dy;
  return x * x + y * y;
}

// The points between two kept ones, and which of them is farthest from the straight line.
struct Stretch {
  double squared = 0;
  size_t first = 0, last = 0, farthest = 0;

  bool operator<(const Stretch& other) const {  // of equally bad ones the earlier is split first
    return squared != other.squared ? squared < other.squared : first > other.first;
  }
};

Stretch stretch(std::span<const PlotPoint> line, size_t first, size_t last) {
  Stretch result{.first = first, .last = last, .farthest = first};
  for (size_t i = first + 1; i < last; ++i) {
    const double squared = squared_distance(line[i], line[first], line[last]);
    if (squared > result.squared) {
      result.squared = squared;
      result.farthest = i;
    }
  }
  return result;
}

}  // namespace

ThinnedLine thin_line(std::span<const PlotPoint> line, const PlotLimits& limits) {
  require(limits.points >= 2, "thin_line: {} points make no line", limits.points);
  ThinnedLine result;
  if (line.empty()) {
    return result;
  }
  if (limits.deviation < 0 && std::ssize(line) <= limits.points) {
    result.kept.resize(line.size());
    std::iota(result.kept.begin(), result.kept.end(), size_t{0});
    return result;
  }
  result.kept = {0};
  if (line.size() > 1) {
    result.kept.push_back(line.size() - 1);
  }
  std::priority_queue<Stretch> stretches;
  stretches.push(stretch(line, 0, line.size() - 1));
  while (std::sqrt(stretches.top().squared) > std::max(limits.deviation, 0.0) &&
         std::ssize(result.kept) < limits.points) {
    const Stretch worst = stretches.top();
    stretches.pop();
    result.kept.push_back(worst.farthest);
    stretches.push(stretch(line, worst.first, worst.farthest));
    stretches.push(stretch(line, worst.farthest, worst.last));
  }
  std::ranges::sort(result.kept);
  result.deviation = std::sqrt(stretches.top().squared);
  return result;
}

}  // namespace mld
