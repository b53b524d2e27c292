// The kernels that no op row reaches, on a CUDA device against the CPU: optimisers, moving average,
// norms over many tensors; and that running them twice gives the same bits.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "core/kernels.h"
#include "tests/op_case.h"

namespace mld::test {
namespace {

using Group = std::vector<Tensor>;

Array random_array(const Shape& shape, uint64_t seed, double low, double high) {
  Array x(shape);
  RandomStream stream({.seed = seed});
  for (double& value : x.values) {
    value = stream.uniform(low, high);
  }
  return x;
}

// More tensors than one launch takes, from one element to several chunks each.
std::vector<Shape> shapes() {
  std::vector<Shape> all{{40'003}, {1}, {16'384}, {16'385}, {3, 5}};
#if defined(__SANITIZE_THREAD__)
  constexpr size_t kCount = 8;  // two hundred times slower there
#else
  constexpr size_t kCount = 300;
#endif
  while (all.size() < kCount) {
    all.push_back({static_cast<int64_t>(1 + all.size() * 7 % 97)});
  }
  return all;
}

// One tensor of each shape, in [low, high). Every fourth vector begins four bytes into its memory,
// where 16 bytes cannot be read in one access; which ones depends on the seed, so that of a slot's
// tensors one may be aligned and another not.
Group group(uint64_t seed, Device device, double low = -1, double high = 1) {
  Group tensors;
  for (const Shape& shape : shapes()) {
    if (shape.rank() == 1 && (seed / 1000 + tensors.size()) % 4 == 3) {
      const Array values = random_array({shape[0] + 1}, seed++, low, high);
      tensors.push_back(to_tensor(values, DType::f32, device).rows(1, shape[0] + 1));
    } else {
      tensors.push_back(
          to_tensor(random_array(shape, seed++, low, high), DType::f32, device));
    }
  }
  return tensors;
}

// The results of a case, in float64.
using Run = std::function<Group(Device)>;

void check_against_cpu(const char* name, const Run& run) {
  const Group right = run(Device{});
  for (const Device device : devices()) {
    if (device.is_cpu()) {
      continue;
    }
    CAPTURE(name);
    const Group ours = run(device), again = run(device);
    REQUIRE_EQ(ours.size(), right.size());
    double worst = 0;
    for (size_t i = 0; i < ours.size(); ++i) {
      worst = std::max(worst, largest_error(to_array(ours[i]).values, to_array(right[i]).values));
      CHECK(to_array(ours[i]).values == to_array(again[i]).values);
    }
    CHECK_LE(worst, kLimitF32);
  }
}

Tensor rates_at(int64_t t, float lr, Device device) {
  return StepRates::at(t, lr, 0.9f, 0.999f).tensor().to(device);
}

std::vector<AdamSlot> adam_slots(Device device, Group& kept) {
  const Group value = group(1000, device), grad = group(2000, device), m = group(3000, device),
              v = group(4000, device, 0, 1);
  std::vector<AdamSlot> slots;
  for (size_t i = 0; i < value.size(); ++i) {
    slots.push_back({value[i], grad[i], m[i], v[i], i % 3 == 0 ? 0.0f : 0.05f,
                     i % 5 == 0 ? 0.25f : 1.0f});
    kept.insert(kept.end(), {value[i], m[i], v[i]});
  }
  return slots;
}

}  // namespace

TEST_CASE("adam_step: L2 in the gradient, and decoupled") {
  for (const bool decoupled : {false, true}) {
    check_against_cpu("adam_step", [&](Device device) {
      Group kept;
      const std::vector<AdamSlot> slots = adam_slots(device, kept);
      for (int64_t t : {1, 2, 1000}) {
        KERNEL(device, adam_step)(slots, {.rates = rates_at(t, 0.01f, device),
                                          .decoupled = decoupled});
      }
      return kept;
    });
  }
}

TEST_CASE("lamb_step: both forms, clipped and not") {
  for (const bool timm : {false, true}) {
    for (const float max_norm : {1.0f, 1e9f}) {
      check_against_cpu("lamb_step", [&](Device device) {
        Group kept;
        const std::vector<AdamSlot> slots = adam_slots(device, kept);
        for (int64_t t : {1, 2}) {
          KERNEL(device, lamb_step)(slots, {.rates = rates_at(t, 0.004f, device),
                                            .max_grad_norm = max_norm, .timm = timm});
        }
        return kept;
      });
    }
  }
}

TEST_CASE("sgd_step: the first step and the next") {
  check_against_cpu("sgd_step", [](Device device) {
    const Group value = group(1, device), grad = group(2000, device),
                momentum = group(3000, device);
    std::vector<SgdSlot> slots;
    Group kept;
    for (size_t i = 0; i < value.size(); ++i) {
      slots.push_back({value[i], grad[i], momentum[i], i % 2 == 0 ? 0.0f : 0.05f,
                       i % 5 == 0 ? 0.25f : 1.0f});
      kept.insert(kept.end(), {value[i], momentum[i]});
    }
    KERNEL(device, sgd_step)(slots, rates_at(1, 0.1f, device));
    KERNEL(device, sgd_step)(slots, rates_at(2, 0.1f, device));
    return kept;
  });
}

TEST_CASE("ema_update") {
  check_against_cpu("ema_update", [](Device device) {
    const Group average = group(1, device), value = group(2000, device);
    std::vector<std::pair<Tensor, Tensor>> pairs;
    for (size_t i = 0; i < average.size(); ++i) {
      pairs.emplace_back(average[i], value[i]);
    }
    KERNEL(device, ema_update)(pairs, 0.9);
    return average;
  });
}

TEST_CASE("global_norm, squares beyond float32 too; clip_all above, below, of no number") {
  for (const double largest : {1.0, 1e25}) {
    for (const float max_norm : {1.0f, 1e30f}) {
      check_against_cpu("clip_all", [&](Device device) {
        Group tensors = group(1, device, -largest, largest);
        Tensor norm({1}, DType::f32, device);
        KERNEL(device, global_norm)(tensors, norm);
        KERNEL(device, clip_all)(tensors, norm, max_norm);
        tensors.push_back(norm);
        return tensors;
      });
    }
  }
  for (const Device device : devices()) {
    const Group tensors = group(1, device);
    const std::vector<float> before = tensors[0].to_vector();
    KERNEL(device, clip_all)(tensors, Tensor::full({1}, NAN, DType::f32, device), 0.1f);
    CHECK(tensors[0].to_vector() == before);
    KERNEL(device, clip_all)(tensors, Tensor::full({1}, 2, DType::f32, device), 1);
    CHECK(tensors[0].to_vector()[0] == doctest::Approx(double{before[0]} / 2));
  }
}

TEST_CASE("fill and copy: every dtype, both ways, odd lengths") {
  for (const DType dtype : {DType::f32, DType::bf16, DType::i32, DType::u8, DType::i64}) {
    for (const int64_t n : {1, 3, 17, 10'003}) {
      check_against_cpu("fill", [&](Device device) {
        Tensor filled({n}, dtype, device), copied({n}, dtype, device);
        KERNEL(device, fill)(3, filled);
        KERNEL(device, copy)(filled, copied);
        return Group{filled, copied.to(Device{}).to(device)};
      });
    }
  }
}

}  // namespace mld::test
