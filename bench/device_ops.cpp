// A device's kernels, each as a share of the device's peak: of a copy's bandwidth where memory is
// the limit, of a large product's rate where arithmetic is. Both peaks are measured in the same
// run, by this backend.
//
//   bench_device_ops [--device cuda] [--batch 128] [--dtype bf16]
//
// Shapes are those of ResNet-50 + ML-Decoder at 224 px, depthwise ones EfficientNet-Lite0's. GB/s
// counts the least that each kernel has to move, with a second pass over an input (batch norm).
#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench/machine.h"
#include "core/kernels.h"
#include "core/memory.h"

namespace mld::bench {
namespace {

using Run = std::function<void()>;

class Bench {
 public:
  Bench(Device device, DType dtype, int64_t batch) : device_(device), dtype_(dtype), N(batch) {
    const Tensor a = values({4096, 4096}), b = values({4096, 4096});
    Tensor y({4096, 4096}, dtype_, device_);
    const double product = time([&] { KERNEL(device_, linear_forward)(a, b, {}, {}, y); });
    flops_ = 2.0 * 4096 * 4096 * 4096 / product;
    const Tensor from = values({int64_t{64} << 20});
    Tensor to = from.like();
    const double copying = time([&] { KERNEL(device_, copy)(from, to); });
    bytes_ = 2.0 * static_cast<double>(from.bytes()) / copying;
    std::printf("copy %.0f GB/s, product %.1f TFLOP/s (4096 cubed, %s)\n\n", bytes_ * 1e-9,
                flops_ * 1e-12, std::string(name_of(dtype_)).c_str());
    std::printf("| kernel | shape | ms | GB/s | of copy | TFLOP/s | of product |\n"
                "|---|---|---|---|---|---|---|\n");
  }

  void run() {
    convolution_side();
    depthwise();
    decoder();
    parameters();
  }

 private:
  // Uniform in [-1, 1), on the device.
  Tensor values(const Shape& shape, std::optional<DType> dtype = {}) {
    Tensor host(shape);
    for (int64_t i = 0; i < host.numel(); ++i) {  // a pattern without a period that matters
      host.data<float>()[i] = static_cast<float>(i * 7919 % 20'011) / 10'005.5f - 1;
    }
    const Tensor on_device = host.to(device_);
    if (dtype.value_or(dtype_) == DType::f32) {
      return on_device;
    }
    Tensor rounded(shape, DType::bf16, device_);
    KERNEL(device_, cast)(on_device, rounded);
    return rounded;
  }
  Tensor floats(const Shape& shape) { return values(shape, DType::f32); }

  // Seconds per call: the median of five samples of at least 20 ms each.
  double time(const Run& call) {
    const auto sample = [&](int count) {
      backend(device_).synchronize(device_.index);
      const double start = seconds();
      for (int i = 0; i < count; ++i) {
        call();
      }
      backend(device_).synchronize(device_.index);
      return (seconds() - start) / count;
    };
    sample(2);
    const int count = static_cast<int>(std::clamp(0.02 / sample(1), 1.0, 1000.0));
    std::vector<double> samples;
    for (int i = 0; i < 5; ++i) {
      samples.push_back(sample(count));
    }
    std::sort(samples.begin(), samples.end());
    return samples[2];
  }

  // `bytes`: the least that must be moved; `flops`: 0 where only memory matters.
  void row(const char* name, const Shape& shape, double bytes, double flops, const Run& call) {
    const double s = time(call);
    std::printf("| %s | %s | %.3f | %.0f | %.0f %% |", name, shape.str().c_str(), s * 1e3,
                bytes / s * 1e-9, 100 * bytes / s / bytes_);
    if (flops > 0) {
      std::printf(" %.1f | %.0f %% |\n", flops / s * 1e-12, 100 * flops / s / flops_);
    } else {
      std::printf(" | |\n");
    }
    std::fflush(stdout);
  }

  void convolution_side() {
    for (const Shape& shape : {Shape{N, 56, 56, 256}, Shape{N, 14, 14, 1024}}) {
      const int64_t C = shape[3];
      const Tensor x = values(shape), dy = values(shape), residual = values(shape);
      const Tensor w = floats({C}), b = floats({C});
      Tensor y = x.like(), dx = x.like(), dz = x.like(), mean = w.like(), rstd = w.like(),
             running_mean = floats({C}), running_var = Tensor::full({C}, 1, DType::f32, device_),
             dw = w.like(), db = w.like();
      const double pass = static_cast<double>(x.bytes());
      const BatchNormSpec relu{.act = {Act::relu}};
      row("batch_norm_forward, ReLU", shape, 3 * pass, 0, [&] {
        KERNEL(device_, batch_norm_forward)(x, w, b, {}, relu, running_mean, running_var, mean,
                                            rstd, y);
      });
      row("batch_norm_forward, residual, ReLU", shape, 4 * pass, 0, [&] {
        KERNEL(device_, batch_norm_forward)(x, w, b, residual, relu, running_mean, running_var,
                                            mean, rstd, y);
      });
      Tensor none;
      row("batch_norm_backward, ReLU", shape, 7 * pass, 0, [&] {
        KERNEL(device_, batch_norm_backward)(dy, x, y, w, mean, rstd, relu, dx, dw, db, none);
      });
      row("batch_norm_backward, residual, ReLU", shape, 8 * pass, 0, [&] {
        KERNEL(device_, batch_norm_backward)(dy, x, y, w, mean, rstd, relu, dx, dw, db, dz);
      });
      row("add", shape, 3 * pass, 0, [&] { KERNEL(device_, add)(x, dy, y); });
    }
    const Shape stem{N, 112, 112, 64}, pooled{N, 56, 56, 64};
    const Tensor x = values(stem), dy = values(pooled);
    Tensor y(pooled, dtype_, device_), argmax(pooled, DType::u8, device_), dx = x.like();
    const PoolSpec pool{.kernel = 3, .stride = 2, .pad = 1};
    const double small = static_cast<double>(y.bytes() + argmax.bytes());
    row("max_pool_forward", stem, static_cast<double>(x.bytes()) + small, 0,
        [&] { KERNEL(device_, max_pool_forward)(x, pool, argmax, y); });
    row("max_pool_backward", stem, static_cast<double>(x.bytes()) + small, 0,
        [&] { KERNEL(device_, max_pool_backward)(dy, argmax, pool, dx); });
    const Tensor pixels = Tensor::full({N, 224, 224, 3}, 7, DType::u8, device_);
    Tensor normalized(pixels.shape(), dtype_, device_);
    row("normalize_images", pixels.shape(),
        static_cast<double>(pixels.bytes() + normalized.bytes()), 0,
        [&] { KERNEL(device_, normalize_images)(pixels, {}, normalized); });
    const Tensor tokens = values({N, 49, 2048});
    Tensor means({N, 2048}, dtype_, device_);
    row("mean_tokens_forward", tokens.shape(), static_cast<double>(tokens.bytes()), 0,
        [&] { KERNEL(device_, mean_tokens_forward)(tokens, means); });
  }

  // EfficientNet-Lite's.
  void depthwise() {
    struct Layer {
      int64_t size, C, kernel;
      int stride;
    };
    for (const Layer& l : {Layer{112, 96, 3, 2}, {56, 144, 3, 1}, {28, 240, 5, 1},
                           {14, 672, 5, 2}}) {
      const Conv2dSpec spec{.stride = l.stride, .groups = static_cast<int>(l.C), .same = true};
      const int64_t out = spec.out(l.size, l.kernel);
      const Tensor x = values({N, l.size, l.size, l.C}), dy = values({N, out, out, l.C});
      const Tensor w = values({l.C, l.kernel, l.kernel, 1});
      Tensor y = dy.like(), dx = x.like(), dw = w.like();
      const double moved = static_cast<double>(x.bytes() + y.bytes());
      const std::string name = fmt::format("depthwise {0}x{0}/{1}, ", l.kernel, l.stride);
      row((name + "forward").c_str(), x.shape(), moved, 0,
          [&] { KERNEL(device_, conv2d_forward)(x, w, {}, {}, spec, y); });
      row((name + "data gradient").c_str(), x.shape(), moved, 0,
          [&] { KERNEL(device_, conv2d_backward_data)(dy, w, spec, dx); });
      row((name + "weight gradient").c_str(), x.shape(), moved, 0,
          [&] { KERNEL(device_, conv2d_backward_weight)(dy, x, spec, dw); });
    }
  }

  void decoder() {
    constexpr int64_t Q = 80, L = 49, D = 768, F = 2048;
    const Tensor x = values({N * Q, D}), dy = values({N * Q, D}), w = floats({D}), b = floats({D});
    Tensor y = x.like(), dx = x.like(), mean({N * Q}, DType::f32, device_), rstd = mean.like(),
           dw = w.like(), db = w.like();
    const double pass = static_cast<double>(x.bytes());
    row("layer_norm_forward", x.shape(), 2 * pass, 0,
        [&] { KERNEL(device_, layer_norm_forward)(x, w, b, {}, mean, rstd, y); });
    row("layer_norm_backward", x.shape(), 3 * pass, 0,
        [&] { KERNEL(device_, layer_norm_backward)(dy, x, w, mean, rstd, dx, dw, db); });
    row("dropout", x.shape(), 2 * pass, 0,
        [&] { KERNEL(device_, dropout)(x, {.p = 0.1f, .key = {.seed = 1}}, y); });
    const Tensor q = values({N, Q, D}), k = values({N, L, D}), v = values({N, L, D}),
                 dout = values({N, Q, D});
    Tensor lse({N, 8, Q}, DType::f32, device_), out = q.like(), dq = q.like(), dk = k.like(),
           dv = v.like();
    const double product = 2.0 * static_cast<double>(N * Q * L * D);
    const double moved = static_cast<double>(2 * q.bytes() + 2 * k.bytes());
    row("attention_forward", q.shape(), moved, 2 * product,
        [&] { KERNEL(device_, attention_forward)(q, k, v, {.heads = 8}, lse, out); });
    row("attention_backward", q.shape(), 2 * moved, 5 * product, [&] {
      KERNEL(device_, attention_backward)(dout, q, k, v, out, lse, {.heads = 8}, dq, dk, dv);
    });
    const Tensor wide = values({F, D}), bias = floats({F});
    Tensor hidden({N * Q, F}, dtype_, device_);
    const double bytes = static_cast<double>(x.bytes() + wide.bytes() + hidden.bytes());
    const double flops = 2.0 * static_cast<double>(N * Q * D * F);
    row("linear_forward, bias, ReLU", hidden.shape(), bytes, flops,
        [&] { KERNEL(device_, linear_forward)(x, wide, bias, {{Act::relu}}, hidden); });
    Tensor dwide(wide.shape(), DType::f32, device_);
    row("linear_backward_data", x.shape(), bytes, flops,
        [&] { KERNEL(device_, linear_backward_data)(hidden, wide, dx); });
    row("linear_backward_weight", dwide.shape(), bytes, flops,
        [&] { KERNEL(device_, linear_backward_weight)(hidden, x, dwide); });
    constexpr int64_t G = 100, g = 50;
    const Tensor h = values({N, G, D}), group_w = values({G, D, g}), group_bias = floats({G * g});
    Tensor logits({N, G * g}, dtype_, device_);
    row("group_linear_forward, 5000 classes", group_w.shape(),
        static_cast<double>(h.bytes() + group_w.bytes() + logits.bytes()),
        2.0 * static_cast<double>(N * G * D * g),
        [&] { KERNEL(device_, group_linear_forward)(h, group_w, group_bias, logits); });
  }

  void parameters() {
    constexpr int64_t n = 25'000'000;
    const Tensor value = floats({n}), grad = floats({n}), m = floats({n});
    const Tensor v = Tensor::full({n}, 1, DType::f32, device_);
    const double pass = static_cast<double>(value.bytes());
    const Tensor rates = StepRates::at(1, 1e-6f, 0.9f, 0.999f).tensor().to(device_);
    row("adam_step", {n}, 7 * pass, 0,
        [&] { KERNEL(device_, adam_step)({{value, grad, m, v}}, {.rates = rates}); });
    row("ema_update", {n}, 3 * pass, 0,
        [&] { KERNEL(device_, ema_update)({{m, value}}, 0.999); });
    Tensor norm({1}, DType::f32, device_);
    row("global_norm", {n}, pass, 0, [&] { KERNEL(device_, global_norm)({grad}, norm); });
    Tensor rounded({n}, DType::bf16, device_);
    row("cast to bf16", {n}, 1.5 * pass, 0, [&] { KERNEL(device_, cast)(value, rounded); });
  }

  Device device_;
  DType dtype_;
  int64_t N;
  double bytes_ = 0, flops_ = 0;  // per second
};

}  // namespace
}  // namespace mld::bench

int main(int argc, char** argv) {
  std::map<std::string, std::string> options = {
      {"--device", "cuda"}, {"--batch", "128"}, {"--dtype", "bf16"}};
  for (int i = 1; i + 1 < argc; i += 2) {
    mld::require<mld::UsageError>(options.contains(argv[i]), "bench_device_ops: unknown option {}",
                                  argv[i]);
    options[argv[i]] = argv[i + 1];
  }
  const mld::DType dtype = options["--dtype"] == "bf16" ? mld::DType::bf16 : mld::DType::f32;
  mld::bench::Bench(mld::parse_device(options["--device"]), dtype, std::stol(options["--batch"]))
      .run();
}
