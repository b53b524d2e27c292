#include "core/cpu/support/depthwise.h"

#include <algorithm>

namespace mld::cpu {
namespace {

// One axis of a convolution; `before` is its padding.
struct Axis {
  int64_t in, kernel, out, before, stride, dilation;

  Axis(const ConvProblem& p, int i)
      : in(p.x[i]), kernel(p.w[i]), out(p.y[i]), before(i == 1 ? p.top() : p.left()),
        stride(p.spec.stride), dilation(p.spec.dilation) {}
};

// Adds one output, to the last run where it continues that.
void append(std::vector<Run>& runs, const Run& one) {
  const auto same_position = [](const Seen& a, const Seen& b) { return a.k == b.k; };
  if (!runs.empty()) {
    Run& last = runs.back();
    if (last.first + last.count * last.step == one.first &&
        std::equal(last.seen.begin(), last.seen.end(), one.seen.begin(), one.seen.end(),
                   same_position)) {
      ++last.count;
      return;
    }
  }
  runs.push_back(one);
}

// The convolution's outputs, and the inputs they see.
std::vector<Run> forward_runs(const Axis& a) {
  std::vector<Run> runs;
  for (int64_t o = 0; o < a.out; ++o) {
    Run run{o, 1, 1, a.stride, {}};
    for (int64_t k = 0; k < a.kernel; ++k) {
      const int64_t at = o * a.stride - a.before + k * a.dilation;
      if (at >= 0 && at < a.in) {
        run.seen.push_back({k, at});
      }
    }
    append(runs, run);
  }
  return runs;
}

// Its inputs, and the outputs that saw them: with a stride, every stride-th input is alike.
std::vector<Run> backward_runs(const Axis& a) {
  std::vector<Run> runs;
  for (int64_t phase = 0; phase < a.stride; ++phase) {
    for (int64_t i = phase; i < a.in; i += a.stride) {
      Run run{i, 1, a.stride, 1, {}};
      for (int64_t k = a.kernel - 1; k >= 0; --k) {
        const int64_t reach = i + a.before - k * a.dilation;
        if (reach >= 0 && reach % a.stride == 0 && reach / a.stride < a.out) {
          run.seen.push_back({k, reach / a.stride});
        }
      }
      append(runs, run);
    }
  }
  return runs;
}

// What each of `count` outputs sees.
std::vector<std::vector<Seen>> each_of(const std::vector<Run>& runs, int64_t count) {
  std::vector<std::vector<Seen>> all(static_cast<size_t>(count));
  for (const Run& run : runs) {
    for (int64_t i = 0; i < run.count; ++i) {
      for (const Seen& s : run.seen) {
        all[static_cast<size_t>(run.first + i * run.step)].push_back({s.k, s.at + i * run.stride});
      }
    }
  }
  return all;
}

}  // namespace

bool Run::slides(int64_t taps, int64_t by) const {
  bool beside = static_cast<int64_t>(seen.size()) == taps && stride == by;
  for (size_t i = 1; i < seen.size(); ++i) {
    beside = beside && seen[i].at == seen[i - 1].at + 1;
  }
  return beside;
}

int64_t Walk::channel_block() const {
  constexpr int64_t kWeights = 4096, kVector = 16;  // weights: 16 KiB
  const int64_t blocks = (C * KH * KW + kWeights - 1) / kWeights;
  return ((C + blocks - 1) / blocks + kVector - 1) / kVector * kVector;
}

void Walk::taps(int64_t m, const Run& run, std::vector<Tap>& out) const {
  const int64_t n = m / out_rows();
  out.clear();
  for (const Seen& row : rows[static_cast<size_t>(m % out_rows())]) {
    for (const Seen& column : run.seen) {
      const int64_t pixel = (n * in_rows + row.at) * in_columns + column.at;
      out.push_back({pixel * C, (row.k * KW + column.k) * C});
    }
  }
}

Walk forward_walk(const ConvProblem& p) {
  return {p.x[3], p.w[1], p.w[2], p.x[1], p.x[2], p.y[2],
          each_of(forward_runs(Axis(p, 1)), p.y[1]), forward_runs(Axis(p, 2))};
}

Walk backward_walk(const ConvProblem& p) {
  return {p.x[3], p.w[1], p.w[2], p.y[1], p.y[2], p.x[2],
          each_of(backward_runs(Axis(p, 1)), p.x[1]), backward_runs(Axis(p, 2))};
}

}  // namespace mld::cpu
