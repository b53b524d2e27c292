// A google-benchmark row per op on the shapes of ResNet-50 and ML-Decoder at 224 px, batch 8.
//
// Counters: GFLOP/s and its share of the measured multiply-add peak where arithmetic is the limit,
// GB/s (bytes that must move) and its share of the measured copy bandwidth where memory is.
// Run with --benchmark_filter=conv to see some; OMP_NUM_THREADS sets the threads.
#include <benchmark/benchmark.h>

#include <functional>
#include <string>
#include <vector>

#include "bench/machine.h"
#include "core/kernels.h"

namespace mld::bench {
namespace {

using Run = std::function<void()>;

Tensor values(const Shape& shape) {
  Tensor x(shape);
  float* data = x.data<float>();
  for (int64_t i = 0; i < x.numel(); ++i) {
    data[i] = random_uniform({7, 0, 0}, static_cast<uint64_t>(i)) - 0.5f;
  }
  return x;
}

// Registers a row. flops or bytes of one run, whichever is the limit; the other is 0.
void row(const std::string& name, double flops, double bytes, const std::function<Run()>& make) {
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    const Run run = make();
    run();
    const double start = seconds();
    for (auto _ : state) {
      run();
    }
    const double each = (seconds() - start) / static_cast<double>(state.iterations());
    if (flops > 0) {
      state.counters["GFLOP/s"] = flops / each / 1e9;
      state.counters["of_peak"] = flops / each / 1e9 / machine_peaks().gflops;
    }
    if (bytes > 0) {
      state.counters["GB/s"] = bytes / each / 1e9;
      state.counters["of_copy"] = bytes / each / 1e9 / machine_peaks().copy_gbytes_s;
    }
  })->UseRealTime()->Unit(benchmark::kMillisecond);
}

struct ConvShape {
  int64_t size, in, out, kernel;
  int stride;
};

void convolution(const ConvShape& s) {
  const Conv2dSpec spec{.stride = s.stride, .pad = static_cast<int>(s.kernel / 2)};
  const int64_t N = 8, OH = spec.out(s.size, s.kernel);
  const Shape x_shape{N, s.size, s.size, s.in}, w_shape{s.out, s.kernel, s.kernel, s.in},
      y_shape{N, OH, OH, s.out};
  const double flops = 2.0 * static_cast<double>(N * OH * OH * s.out * s.kernel * s.kernel * s.in);
  const std::string name = fmt::format("conv2d/{}x{}s{}_{}px_{}to{}", s.kernel, s.kernel, s.stride,
                                       s.size, s.in, s.out);
  row(name + "/forward", flops, 0, [=]() -> Run {
    return [=, x = values(x_shape), w = values(w_shape), y = Tensor(y_shape)]() mutable {
      cpu::conv2d_forward(x, w, {}, {}, spec, y);
    };
  });
  row(name + "/backward_data", flops, 0, [=]() -> Run {
    return [=, dy = values(y_shape), w = values(w_shape), dx = Tensor(x_shape)]() mutable {
      cpu::conv2d_backward_data(dy, w, spec, dx);
    };
  });
  row(name + "/backward_weight", flops, 0, [=]() -> Run {
    return [=, dy = values(y_shape), x = values(x_shape), dw = Tensor(w_shape)]() mutable {
      cpu::conv2d_backward_weight(dy, x, spec, dw);
    };
  });
}

// EfficientNet-Lite's: memory is the limit, each tensor read or written once.
void depthwise(int64_t size, int64_t C, int64_t kernel, int stride) {
  const Conv2dSpec spec{.stride = stride, .groups = static_cast<int>(C), .same = true};
  const int64_t N = 8, out = spec.out(size, kernel);
  const Shape x_shape{N, size, size, C}, w_shape{C, kernel, kernel, 1}, y_shape{N, out, out, C};
  const double bytes = 4.0 * static_cast<double>(x_shape.numel() + y_shape.numel());
  const std::string name =
      fmt::format("depthwise/{}x{}s{}_{}px_{}", kernel, kernel, stride, size, C);
  row(name + "/forward", 0, bytes, [=]() -> Run {
    return [=, x = values(x_shape), w = values(w_shape), y = Tensor(y_shape)]() mutable {
      cpu::conv2d_forward(x, w, {}, {}, spec, y);
    };
  });
  row(name + "/backward_data", 0, bytes, [=]() -> Run {
    return [=, dy = values(y_shape), w = values(w_shape), dx = Tensor(x_shape)]() mutable {
      cpu::conv2d_backward_data(dy, w, spec, dx);
    };
  });
  row(name + "/backward_weight", 0, bytes, [=]() -> Run {
    return [=, dy = values(y_shape), x = values(x_shape), dw = Tensor(w_shape)]() mutable {
      cpu::conv2d_backward_weight(dy, x, spec, dw);
    };
  });
}

void batch_norm(int64_t size, int64_t C) {
  const Shape shape{8, size, size, C};
  const double pass = static_cast<double>(shape.numel()) * 4;
  const BatchNormSpec spec{.act = {.kind = Act::relu}};
  const std::string name = fmt::format("batch_norm_relu/{}px_{}", size, C);
  const auto stats = [C] { return Tensor::full({C}, 1.0f); };
  row(name + "/forward", 0, 3 * pass, [=]() -> Run {  // read, read, write
    return [=, x = values(shape), w = stats(), b = stats(), rm = stats(), rv = stats(),
            mean = stats(), rstd = stats(), y = Tensor(shape)]() mutable {
      cpu::batch_norm_forward(x, w, b, {}, spec, rm, rv, mean, rstd, y);
    };
  });
  row(name + "/backward", 0, 7 * pass, [=]() -> Run {  // two passes over dy, x, y; one write
    return [=, dy = values(shape), x = values(shape), y = values(shape), w = stats(),
            mean = stats(), rstd = stats(), dx = Tensor(shape), dw = stats(), db = stats(),
            none = Tensor()]() mutable {
      cpu::batch_norm_backward(dy, x, y, w, mean, rstd, spec, dx, dw, db, none);
    };
  });
}

void pooling() {
  const PoolSpec spec{.kernel = 3, .stride = 2, .pad = 1};
  const Shape x_shape{8, 112, 112, 64}, y_shape{8, 56, 56, 64};
  const double bytes = 4.0 * static_cast<double>(x_shape.numel() + y_shape.numel()) +
                       static_cast<double>(y_shape.numel());
  row("max_pool/112px_64/forward", 0, bytes, [=]() -> Run {
    return [=, x = values(x_shape), argmax = Tensor(y_shape, DType::u8),
            y = Tensor(y_shape)]() mutable { cpu::max_pool_forward(x, spec, argmax, y); };
  });
  const Shape tokens{8, 49, 2048};
  row("mean_tokens/49x2048/forward", 0, 4.0 * static_cast<double>(tokens.numel()), [=]() -> Run {
    return [x = values(tokens), y = Tensor(Shape{8, 2048})]() mutable {
      cpu::mean_tokens_forward(x, y);
    };
  });
}

void decoder() {
  const int64_t N = 8, Q = 80, L = 49, D = 768, E = 8;
  const AttentionSpec spec{.heads = static_cast<int>(E)};
  const double flops = 4.0 * static_cast<double>(N * Q * L * D);
  row("attention/80x49x768/forward", flops, 0, [=]() -> Run {
    return [=, q = values({N, Q, D}), k = values({N, L, D}), v = values({N, L, D}),
            lse = Tensor(Shape{N, E, Q}), y = Tensor(Shape{N, Q, D})]() mutable {
      cpu::attention_forward(q, k, v, spec, lse, y);
    };
  });
  row("linear/640x2048to768/forward", 2.0 * 640 * 2048 * 768, 0, []() -> Run {
    return [x = values({640, 2048}), w = values({768, 2048}),
            y = Tensor(Shape{640, 768})]() mutable {
      cpu::linear_forward(x, w, {}, {}, y);
    };
  });
  row("layer_norm/640x768/forward", 0, 3.0 * 4 * 640 * 768, []() -> Run {
    return [x = values({640, 768}), w = values({768}), b = values({768}), mean = Tensor(Shape{640}),
            rstd = Tensor(Shape{640}), y = Tensor(Shape{640, 768})]() mutable {
      cpu::layer_norm_forward(x, w, b, {}, mean, rstd, y);
    };
  });
  const int64_t G = 100, g = 50;
  const double weights = 4.0 * static_cast<double>(G * D * g);
  row("group_linear/5000_100/forward", 0, weights, [=]() -> Run {
    return [=, h = values({N, G, D}), w = values({G, D, g}), b = values({G * g}),
            y = Tensor(Shape{N, G * g})]() mutable { cpu::group_linear_forward(h, w, b, y); };
  });
  row("group_linear/5000_100/backward", 0, 2 * weights, [=]() -> Run {
    return [=, dy = values({N, G * g}), h = values({N, G, D}), w = values({G, D, g}),
            dh = Tensor(Shape{N, G, D}), dw = Tensor(Shape{G, D, g})]() mutable {
      cpu::group_linear_backward(dy, h, w, dh, dw);
    };
  });
}

void elementwise() {
  const int64_t n = int64_t{8} << 20;
  const double pass = 4.0 * static_cast<double>(n);
  row("add/8M", 0, 3 * pass, [=]() -> Run {
    return [a = values({n}), b = values({n}), y = Tensor(Shape{n})]() mutable {
      cpu::add(a, b, y);
    };
  });
  row("dropout/8M", 0, 2 * pass, [=]() -> Run {
    return [x = values({n}), y = Tensor(Shape{n})]() mutable { cpu::dropout(x, {.p = 0.1f}, y); };
  });
  row("gelu/8M/forward", 0, 2 * pass, [=]() -> Run {
    return [x = values({n}), y = Tensor(Shape{n})]() mutable {
      cpu::activation_forward(x, {.kind = Act::gelu}, y);
    };
  });
  row("adam/8M", 0, 7 * pass, [=]() -> Run {
    const Tensor rates = StepRates::at(1, 1e-6f, 0.9f, 0.999f).tensor();
    return [slot = AdamSlot{values({n}), values({n}), Tensor::zeros({n}), Tensor::zeros({n})},
            rates] { cpu::adam_step({slot}, {.rates = rates}); };
  });
  row("ema/8M", 0, 3 * pass, [=]() -> Run {
    return [a = values({n}), b = values({n})] { cpu::ema_update({{a, b}}, 0.999f); };
  });
  const Shape loss{64, 1000};
  row("asymmetric_loss/64x1000/backward", 0, 3.0 * 4 * static_cast<double>(loss.numel()),
      [=]() -> Run {
        return [x = values(loss), y = Tensor::zeros(loss), d = Tensor::full({1}, 1.0f),
                dx = Tensor(loss)]() mutable {
          cpu::asymmetric_loss_backward(d, x, y, {}, {}, dx);
        };
      });
}

void register_rows() {
  for (const ConvShape& shape : std::vector<ConvShape>{{224, 3, 64, 7, 2},
                                                       {56, 64, 64, 3, 1},
                                                       {28, 128, 128, 3, 1},
                                                       {14, 256, 256, 3, 1},
                                                       {7, 512, 512, 3, 1},
                                                       {56, 128, 128, 3, 2},
                                                       {56, 64, 256, 1, 1},
                                                       {28, 512, 128, 1, 1},
                                                       {14, 1024, 256, 1, 1},
                                                       {7, 512, 2048, 1, 1},
                                                       {56, 256, 512, 1, 2}}) {
    convolution(shape);
  }
  depthwise(112, 32, 3, 1);
  depthwise(112, 96, 3, 2);
  depthwise(56, 144, 3, 1);
  depthwise(56, 144, 5, 2);
  depthwise(28, 240, 5, 1);
  depthwise(14, 480, 5, 1);
  depthwise(14, 672, 5, 2);
  depthwise(7, 1152, 5, 1);
  batch_norm(56, 256);
  batch_norm(14, 1024);
  pooling();
  decoder();
  elementwise();
}

}  // namespace
}  // namespace mld::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const auto& peaks = mld::bench::machine_peaks();
  benchmark::AddCustomContext("multiply_add_peak_gflops", fmt::format("{:.1f}", peaks.gflops));
  benchmark::AddCustomContext("copy_gbytes_s", fmt::format("{:.1f}", peaks.copy_gbytes_s));
  mld::bench::register_rows();
  benchmark::RunSpecifiedBenchmarks();
}
