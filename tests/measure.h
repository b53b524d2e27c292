// How far results are from what they should be: the tests' measures of error.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace mld::test {

inline constexpr double kFloor = 1e-6;  // below this a quantity counts as zero

// max |a - b| / max(max |b|, floor). Infinite where a is not a number (NaN; an infinity that b
// does not share), or has another size.
template <class A = std::vector<double>, class B = std::vector<double>>
double largest_error(const A& a, const B& b, double floor = kFloor) {
  double difference = a.size() == b.size() ? 0 : std::numeric_limits<double>::infinity();
  double largest = floor;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double ours = static_cast<double>(a[i]), right = static_cast<double>(b[i]);
    const double d = ours == right ? 0 : std::abs(ours - right);
    difference = std::isfinite(d) ? std::max(difference, d)
                                  : std::numeric_limits<double>::infinity();
    if (!std::isfinite(difference)) {
      return difference;
    }
    largest = std::max(largest, std::abs(right));
  }
  return difference / largest;
}

// |a - b| / max(|b|, kFloor) as vectors; infinite as above.
template <class A = std::vector<double>, class B = std::vector<double>>
double distance(const A& a, const B& b) {
  double squares = a.size() == b.size() ? 0 : std::numeric_limits<double>::infinity(), norm = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double ours = static_cast<double>(a[i]), right = static_cast<double>(b[i]);
    squares += ours == right ? 0 : (ours - right) * (ours - right);
    norm += right * right;
  }
  const double error = std::sqrt(squares) / std::max(std::sqrt(norm), kFloor);
  return std::isfinite(error) ? error : std::numeric_limits<double>::infinity();
}

}  // namespace mld::test
