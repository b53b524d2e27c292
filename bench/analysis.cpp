// The time of analyze() on random scores, on one thread and on all, and the memory it takes. The
// processor's time tells on a busy machine.
// Usage: bench_analysis [PICTURES CLASSES]      (default 10000 1000; 3 labels a picture)
#include <sys/resource.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "bench/machine.h"
#include "core/parallel.h"
#include "core/random.h"
#include "train/analysis/analysis.h"
#include "train/thresholds.h"

namespace mld::bench {
namespace {

struct Split {
  std::vector<float> scores;
  std::vector<Label> targets;
};

// Logits of a middling model: N(-4, 2), 5 higher for labels.
Split random_split(int64_t pictures, int64_t classes) {
  RandomStream random({1, 0, 0});
  Split split;
  const double probability = 3 / static_cast<double>(classes);
  split.scores.reserve(static_cast<size_t>(pictures * classes));
  split.targets.reserve(static_cast<size_t>(pictures * classes));
  for (int64_t i = 0; i < pictures * classes; ++i) {
    const bool present = random.coin(probability);
    const double logit = 2 * random.normal() - 4 + (present ? 5 : 0);
    split.scores.push_back(static_cast<float>(1 / (1 + std::exp(-logit))));
    split.targets.push_back(present ? Label::present : Label::absent);
  }
  return split;
}

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void measure(int64_t pictures, int64_t classes) {
  const Split split = random_split(pictures, classes);
  const Predictions p{split.scores, split.targets, classes};
  const std::vector<double> thresholds = fit_thresholds(p);
  const int threads = compute_threads();
  for (const int count : {1, threads}) {
    set_threads(count);
    const double before = peak_mib(), start = seconds(), cpu = cpu_seconds();
    const Analysis analysis = analyze(p, thresholds, false);
    std::printf("%ld x %ld, %d threads: %.2f s (processor %.2f s), %.0f MiB more than before; %ld "
                "confused pairs, %ld suspect labels\n", static_cast<long>(pictures),
                static_cast<long>(classes), count, seconds() - start, cpu_seconds() - cpu,
                peak_mib() - before, static_cast<long>(analysis.confusions.distinct),
                static_cast<long>(analysis.label_errors.found));
  }
  const double start = cpu_seconds();
  confusions(p, thresholds, 100);
  std::printf("  confusions: processor %.2f s\n", cpu_seconds() - start);
  const double micro = cpu_seconds();
  micro_curves(p);
  std::printf("  micro-averaged curves: processor %.2f s\n", cpu_seconds() - micro);
}

}  // namespace
}  // namespace mld::bench

int main(int argc, char** argv) {
  const long pictures = argc > 2 ? std::strtol(argv[1], nullptr, 10) : 10000;
  const long classes = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 1000;
  mld::bench::measure(pictures, classes);
}
