// Drawing a line with few points.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace mld {

struct PlotPoint {
  double x = 0, y = 0;
};

// What may be left out of a plot. With both axes from 0 to 1 and 300 pixels long, 0.001 is a third
// of a pixel.
struct PlotLimits {
  int64_t points = 100;      // at most; at least 2
  double deviation = 0.001;  // fewer, if no dropped one is farther off; negative: none is dropped
};

struct ThinnedLine {
  std::vector<size_t> kept;  // ascending; first and last point are among them
  double deviation = 0;      // the largest distance of a dropped point from the line of those kept
};

// Refines the line from the first to the last point: the point farthest from it is added, again and
// again (Douglas and Peucker, "Algorithms for the reduction of the number of points", 1973, stopped
// by a number of points). Since a stretch of the full line ends in its own points, no part of it is
// farther off than `deviation`. O(n log limits.points) usually, O(n limits.points) at worst.
// Errors: Error for limits.points < 2.
ThinnedLine thin_line(std::span<const PlotPoint> line, const PlotLimits& limits);

}  // namespace mld
