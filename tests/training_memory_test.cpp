// What training takes: predictions against real runs, what is free, and what is said of a shortage.
#include <algorithm>
#include <cmath>

#include <doctest/doctest.h>

#include "core/memory.h"
#include "core/meta/meter.h"
#include "tests/data_files.h"
#include "tests/reference.h"
#include "train/memory.h"

namespace mld::test {
namespace {

Config small_config(const std::string& backbone, const std::string& head, int64_t side) {
  Config config;
  config.model.backbone = backbone;
  config.model.head = head;
  config.preprocess.image_size = side;
  config.train.batch_size = 8;
  return config;
}

constexpr int64_t kClasses = 80;

// Bytes in use at most, and held at the end, beyond what was there before.
struct Bytes {
  size_t peak, held;
};

template <class Run>
Bytes on_host(Run run) {
  MemoryPool& pool = memory_pool(Device{});
  pool.trim();
  pool.reset_peak();
  const MemoryStats before = pool.stats();
  run(Device{});
  const MemoryStats after = pool.stats();
  return {after.peak - before.in_use, after.in_use + after.cached - before.in_use};
}

template <class Run>
Bytes on_meta(Run run) {
  meta::Meter meter;
  run(kMeta);
  return {meter.peak(), meter.held()};
}

double ratio(size_t a, size_t b) { return static_cast<double>(a) / static_cast<double>(b); }

// The whole, and what comes on top of the `lasting` bytes.
void check_close(const Bytes& predicted, const Bytes& measured, size_t lasting) {
  MESSAGE("peak ", ratio(predicted.peak, measured.peak), ", held ",
          ratio(predicted.held, measured.held), ", passing ",
          ratio(predicted.peak - lasting, measured.peak - lasting));
  CHECK_LE(std::abs(ratio(predicted.peak, measured.peak) - 1), 0.05);
  CHECK_LE(std::abs(ratio(predicted.held, measured.held) - 1), 0.10);
  CHECK_LE(std::abs(ratio(predicted.peak - lasting, measured.peak - lasting) - 1), 0.15);
}

void compare(const Config& config) {
  CAPTURE(config.model.backbone);
  CAPTURE(config.model.head);
  CAPTURE(name_of(config.train.precision));
  const auto build = [&](Device device) { Rehearsal run(config, kClasses, device); };
  const auto train = [&](Device device) {
    Rehearsal run(config, kClasses, device);
    run.update(config.train.batch_size, config.preprocess.image_size);
    run.update(config.train.batch_size, config.preprocess.image_size);
  };
  const auto score = [&](Device device) {
    Rehearsal run(config, kClasses, device);
    run.score(config.train.batch_size, config.preprocess.image_size);
  };
  const size_t lasting = on_meta(build).peak;
  CHECK_EQ(on_host(build).peak, doctest::Approx(static_cast<double>(lasting)).epsilon(0.001));
  check_close(on_meta(train), on_host(train), lasting);
  check_close(on_meta(score), on_host(score), lasting);
}

}  // namespace

TEST_CASE("predicted memory is what training and scoring take") {
  compare(small_config("resnet18", "gap", 96));
  compare(small_config("resnet18", "ml_decoder", 96));
  compare(small_config("resnet50", "gap", 96));
  compare(small_config("resnet50", "ml_decoder", 96));
  Config parts = small_config("resnet18", "ml_decoder", 96);
  parts.optim.grad_accum_steps = 4;
  parts.train.precision = DType::bf16;
  compare(parts);
}

TEST_CASE("a rehearsal on meta takes no real memory, whatever the batch") {
  Config config = small_config("resnet50", "ml_decoder", 448);
  config.train.batch_size = 1'000'000;
  MemoryPool& host = memory_pool(Device{});
  host.reset_peak();
  const size_t before = host.stats().peak;
  const TrainingNeeds needs = training_needs(config, kClasses, Device{}, 0);
  CHECK_GT(needs.tensors, size_t{100} << 40);
  CHECK_LE(host.stats().peak, before + (1 << 20));
  // Forward, backward for data but the first layer's, backward for weights: three times 17.258.
  CHECK_EQ(static_cast<double>(needs.macs) / 1e15,
           doctest::Approx(3 * 17.258 - 0.47).epsilon(0.01));
}

TEST_CASE("a shortage is told with what would fit") {
  Config config = small_config("resnet18", "gap", 64);
  config.train.batch_size = 64;
  const auto needed = [&](int64_t batch, int64_t parts) {
    Config other = config;
    other.train.batch_size = batch;
    other.optim.grad_accum_steps = parts;
    return training_needs(other, kClasses, Device{}, 0).on(Device{});
  };
  const auto said = [&](size_t free) {
    return memory_shortage(config, kClasses, Device{}, 0, free);
  };
  const auto advice = [&](size_t free) {
    const std::string text = said(free);
    return text.substr(std::min(text.size(), text.rfind("; ") + 2));
  };
  const size_t whole = needed(64, 1);
  CHECK_EQ(said(whole), "");
  CHECK(said(whole - 1).starts_with(fmt::format(
      "out of memory on cpu: training with train.batch_size = 64 is predicted to take {:.2f} GiB, "
      "{:.2f} GiB are free; train.batch_size = ", static_cast<double>(whole) / 0x1p30,
      static_cast<double>(whole - 1) / 0x1p30)));
  const size_t some = needed(24, 1);
  int64_t parts = 4;  // the fewest that fit differ with the machine's convolution algorithms
  while (needed(64, parts) > some) {
    parts *= 2;
  }
  REQUIRE(parts <= 64);
  CHECK(needed(64, parts / 2) > some);
  CHECK_EQ(advice(some), fmt::format("train.batch_size = 24 fits, and so does "
                                     "optim.grad_accum_steps = {}", parts));
  CHECK(needed(25, 1) > some);
  config.optim.grad_accum_steps = 2;
  CHECK_EQ(advice(needed(24, 2)), "train.batch_size = 24 fits");
  CHECK_EQ(advice(1 << 20), "not even one picture fits: try a smaller data.image_size or model");
}

TEST_CASE("beside another device the host has to hold the data and what saving copies") {
  const Config config = small_config("resnet18", "gap", 64);
  const Device gpu{Backend::cuda, 0};
  const size_t data = size_t{1} << 50;
  CHECK_EQ(memory_shortage(config, kClasses, gpu, 0, size_t{1} << 50), "");
  CHECK(memory_shortage(config, kClasses, gpu, data, size_t{1} << 50).starts_with(
      "out of memory on cpu: training on cuda:0 is predicted to take 1048576."));
  // Values, two moments, the average, and the best weights: five times 11.2 million numbers.
  CHECK_EQ(static_cast<double>(training_needs(config, kClasses, gpu, 0).host),
           doctest::Approx(5 * 11.2e6 * 4 + 4 * 8 * 64 * 64 * 3).epsilon(0.01));
}

TEST_CASE("a part with one value per channel is refused with the setting to change") {
  Config config = small_config("resnet18", "gap", 32);
  config.optim.grad_accum_steps = 8;
  CHECK_ERROR(UsageError,
              "train.batch_size 8 of 32 px in optim.grad_accum_steps 8: batch_norm: x is "
              "[1, 1, 1, 512], training needs more than one value per channel; raise "
              "train.batch_size or data.image_size",
              training_needs(config, kClasses, Device{}, 0));
}

TEST_CASE("training is refused where the pool's limit leaves too little") {
  const Config config = small_config("resnet18", "gap", 64);
  MemoryPool& pool = memory_pool(Device{});
  require_memory(config, kClasses, Device{}, 0);
  pool.set_limit(pool.stats().in_use + (100 << 20));
  CHECK_EQ(pool.free_bytes(), 100 << 20);
  CHECK_THROWS_AS(require_memory(config, kClasses, Device{}, 0), OutOfMemory);
  pool.set_limit(0);
}

// ---- what is free -------------------------------------------------------------------------------

TEST_CASE("free memory: the machine's, and every control group's above the process") {
  const TemporaryFolder root;
  CHECK_GT(host_free_bytes(), size_t{1} << 20);  // of this machine
  const auto free_mib = [&] { return host_free_bytes(root.path()) >> 20; };
  root.write("proc/meminfo", "MemTotal:  4096000 kB\nMemFree: 1 kB\nMemAvailable:  2048000 kB\n");
  CHECK_EQ(free_mib(), 2000);

  // Version 2: a limit of the group, a lower one of its parent, "max" at the top.
  root.write("proc/self/cgroup", "0::/a/b\n");
  root.write("sys/fs/cgroup/a/b/memory.max", "1073741824\n");
  root.write("sys/fs/cgroup/a/b/memory.current", "524288000\n");
  root.write("sys/fs/cgroup/a/b/memory.stat",
             "anon 5\ninactive_file 52428800\nactive_file 52428800\n");
  CHECK_EQ(free_mib(), 1024 - 500 + 100);  // pages of files are given up first
  root.write("sys/fs/cgroup/a/memory.max", "734003200\n");
  root.write("sys/fs/cgroup/a/memory.current", "629145600\n");
  CHECK_EQ(free_mib(), 100);
  root.write("sys/fs/cgroup/a/memory.max", "max\n");
  CHECK_EQ(free_mib(), 624);

  // Version 1, in a container: the path is the host's, only the mount is seen.
  root.write("proc/self/cgroup", "8:pids:/x\n4:cpu,memory:/host/c\n0::/\n");
  root.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "314572800\n");
  root.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "419430400\n");
  CHECK_EQ(free_mib(), 0);
  root.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  CHECK_EQ(free_mib(), 2000);
}

}  // namespace mld::test
