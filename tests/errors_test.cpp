// The messages of the ops' checks: they are part of the interface, so they are pinned exactly.
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "core/memory.h"

namespace mld {
namespace {

// Checks that the expression throws Error with exactly this message.
#define CHECK_ERROR(expression, message) \
  CHECK_THROWS_WITH_AS((void)(expression), message, Error)

Var f32(const Shape& shape) { return Var(Tensor::zeros(shape)); }
Var half(const Shape& shape) { return Var(Tensor::zeros(shape, DType::bf16)); }
Var ints(const Shape& shape) { return Var(Tensor::zeros(shape, DType::i32)); }
const Var kNone;

}  // namespace

TEST_CASE("errors: movement") {
  CHECK_ERROR(reshape(f32({2, 3}), {4}), "reshape: [2, 3] has 6 elements, but [4] has 4");
  CHECK_ERROR(rows(f32({2, 3}), 1, 3), "rows: [1, 3) are not rows of a tensor of shape [2, 3]");
  CHECK_ERROR(rows(f32({2, 3}), 2, 1), "rows: [2, 1) are not rows of a tensor of shape [2, 3]");
  CHECK_ERROR(slice_tokens(f32({2, 3, 4}), 1, 4),
              "slice_tokens: x is [2, 3, 4], so tokens must be within [0, 3), got [1, 4)");
  CHECK_ERROR(slice_tokens(f32({2, 3, 4}), 2, 2),
              "slice_tokens: x is [2, 3, 4], so tokens must be within [0, 3), got [2, 2)");
  CHECK_ERROR(slice_tokens(f32({2, 3}), 0, 1), "slice_tokens: x must be [N, L, C], got [2, 3]");
  CHECK_ERROR(join_tokens(f32({2, 3, 4}), f32({2, 1, 5})),
              "join_tokens: a is float32 [2, 3, 4] on cpu, so b must be [2, *, 4] of that dtype "
              "there, got float32 [2, 1, 5] on cpu");
  CHECK_ERROR(join_tokens(f32({2, 3, 4}), half({2, 1, 4})),
              "join_tokens: a is float32 [2, 3, 4] on cpu, so b must be [2, *, 4] of that dtype "
              "there, got bfloat16 [2, 1, 4] on cpu");
  CHECK_ERROR(cast(ints({2}), DType::f32), "cast: x must be float32 or bfloat16, got int32");
  CHECK_ERROR(cast(f32({2}), DType::u8), "cast: the dtype must be float32 or bfloat16, got uint8");
  CHECK_ERROR(cast(kNone, DType::f32), "cast: x is undefined");
  CHECK_ERROR(add(f32({2}), f32({3})),
              "add: a is float32 [2] on cpu, b is float32 [3] on cpu; they must agree");
  CHECK_ERROR(add(f32({2}), half({2})),
              "add: a is float32 [2] on cpu, b is bfloat16 [2] on cpu; they must agree");
  CHECK_ERROR(add(f32({2}), kNone), "add: b is undefined");
  CHECK_ERROR(scale(f32({0, 3}), 2), "scale: x must not be empty, got shape [0, 3]");
  CHECK_ERROR(repeat_batch(f32({2}), 3), "repeat_batch: x must be [R, D], got [2]");
  CHECK_ERROR(repeat_batch(f32({2, 3}), 0), "repeat_batch: N must be positive, got 0");
  CHECK_ERROR(transpose(f32({2, 3})), "transpose: x must be [B, M, C], got [2, 3]");
  CHECK_ERROR(space_to_depth(f32({1, 8, 6, 3}), 4),
              "space_to_depth: x is [1, 8, 6, 3], but height and width must be multiples of 4");
  CHECK_ERROR(space_to_depth(f32({1, 8, 6, 3}), 0),
              "space_to_depth: block must be positive, got 0");
  CHECK_ERROR(space_to_depth(f32({8, 6, 3}), 4),
              "space_to_depth: x must be [N, H, W, C], got [8, 6, 3]");
  CHECK_ERROR(sum(ints({2})), "sum: x must be float32 or bfloat16, got int32");
  CHECK_ERROR(mean(f32({0})), "mean: x must not be empty, got shape [0]");
}

TEST_CASE("errors: conv2d") {
  const Var x = f32({2, 5, 6, 4}), w = f32({3, 3, 3, 4});
  CHECK_ERROR(conv2d(f32({5, 6, 4}), w), "conv2d: x must be [N, H, W, C], got [5, 6, 4]");
  CHECK_ERROR(conv2d(x, f32({3, 4})), "conv2d: w must be [O, KH, KW, C/groups], got [3, 4]");
  CHECK_ERROR(conv2d(x, kNone), "conv2d: w is undefined");
  CHECK_ERROR(conv2d(x, half({3, 3, 3, 4})),
              "conv2d: x is float32, so w must be too, got bfloat16 (use cast)");
  CHECK_ERROR(conv2d(x, f32({3, 3, 3, 5})),
              "conv2d: x is [2, 5, 6, 4], so w must be [*, *, *, 4], got [3, 3, 3, 5]");
  CHECK_ERROR(conv2d(x, f32({4, 3, 3, 4}), {.groups = 2}),
              "conv2d: x is [2, 5, 6, 4], so w must be [*, *, *, 2], got [4, 3, 3, 4]");
  CHECK_ERROR(conv2d(x, w, {.groups = 2}),
              "conv2d: 2 groups do not divide 4 input and 3 output channels");
  CHECK_ERROR(conv2d(x, w, {.stride = 0}), "conv2d: stride, dilation and groups must be positive "
                                           "and pad not negative, got 0, 1, 1, 0");
  CHECK_ERROR(conv2d(x, w, {.pad = -1}), "conv2d: stride, dilation and groups must be positive "
                                         "and pad not negative, got 1, 1, 1, -1");
  CHECK_ERROR(conv2d(x, w, {.pad = 1, .same = true}),
              "conv2d: same padding and pad 1 exclude each other");
  CHECK_ERROR(conv2d(f32({1, 2, 6, 4}), w),
              "conv2d: x is [1, 2, 6, 4], with pad 0 it is smaller than the kernel, "
              "which spans 3 x 3");
  CHECK_ERROR(conv2d(x, w, {.pad = 1, .dilation = 4}),
              "conv2d: x is [2, 5, 6, 4], with pad 1 it is smaller than the kernel, "
              "which spans 9 x 9");
  CHECK_ERROR(conv2d(x, w, f32({4})),
              "conv2d: x is [2, 5, 6, 4], so bias must be [3], got [4]");
  CHECK_ERROR(conv2d(x, w, half({3})), "conv2d: bias must be float32, got bfloat16");
  CHECK_ERROR(conv2d(x, w, {.act = {.kind = Act::relu}}),
              "conv2d: an activation in spec needs conv2d_fused");
}

TEST_CASE("errors: conv2d_fused") {
  const Var x = f32({2, 5, 6, 4}), w = f32({3, 1, 1, 4});
  Tape tape;
  CHECK_ERROR(conv2d_fused(x, tape.variable(w.value), kNone, kNone, {}),
              "conv2d_fused: an input needs a gradient, but this op is for inference; use conv2d");
  CHECK_ERROR(conv2d_fused(x, w, kNone, f32({2, 5, 6, 4}), {}),
              "conv2d_fused: y is [2, 5, 6, 3], so residual must be too, got [2, 5, 6, 4]");
  CHECK_ERROR(conv2d_fused(x, w, kNone, half({2, 5, 6, 3}), {}),
              "conv2d_fused: x is float32, so residual must be too, got bfloat16 (use cast)");
  CHECK_ERROR(conv2d_fused(x, w, kNone, kNone, {.act = {.kind = Act::gelu}}),
              "conv2d_fused: the activation must be identity, relu, leaky_relu or relu6");
  CHECK_ERROR(conv2d_fused(x, f32({3, 1, 1, 3}), kNone, kNone, {}),
              "conv2d_fused: x is [2, 5, 6, 4], so w must be [*, *, *, 4], got [3, 1, 1, 3]");
}

TEST_CASE("errors: batch_norm") {
  const Var x = f32({2, 3, 3, 4}), c = f32({4});
  const Tensor mean = Tensor::zeros({4}), var = Tensor::full({4}, 1);
  CHECK_ERROR(batch_norm(f32({2, 4}), c, c, mean, var),
              "batch_norm: x must be [N, H, W, C], got [2, 4]");
  CHECK_ERROR(batch_norm(x, f32({3}), c, mean, var),
              "batch_norm: x is [2, 3, 3, 4], so w must be [4], got [3]");
  CHECK_ERROR(batch_norm(x, c, half({4}), mean, var),
              "batch_norm: b must be float32, got bfloat16");
  CHECK_ERROR(batch_norm(x, c, c, Tensor::zeros({5}), var),
              "batch_norm: x is [2, 3, 3, 4], so running_mean must be [4], got [5]");
  CHECK_ERROR(batch_norm(x, c, c, mean, Tensor{}), "batch_norm: running_var is undefined");
  CHECK_ERROR(batch_norm(f32({1, 1, 1, 4}), c, c, mean, var),
              "batch_norm: x is [1, 1, 1, 4], training needs more than one value per channel");
  CHECK_ERROR(batch_norm(x, c, c, mean, var, {}, f32({2, 3, 3, 5})),
              "batch_norm: x is [2, 3, 3, 4], so residual must be too, got [2, 3, 3, 5]");
  CHECK_ERROR(batch_norm(x, c, c, mean, var, {.act = {.kind = Act::sigmoid}}),
              "batch_norm: the activation must be identity, relu, leaky_relu or relu6");
  CHECK_ERROR(batch_norm(x, c, c, mean, var, {.act = {.kind = Act::leaky_relu, .slope = -0.5f}}),
              "batch_norm: the slope of leaky_relu must not be negative, got -0.5");
}

TEST_CASE("errors: row norms") {
  CHECK_ERROR(layer_norm(f32({2, 5}), f32({4}), f32({5})),
              "layer_norm: x is [2, 5], so w must be [5], got [4]");
  CHECK_ERROR(layer_norm(f32({2, 5}), f32({5}), kNone), "layer_norm: b is undefined");
  CHECK_ERROR(layer_norm(f32({})), "layer_norm: x must be [..., C], got []");
  CHECK_ERROR(layer_norm(ints({2, 5})), "layer_norm: x must be float32 or bfloat16, got int32");
  CHECK_ERROR(l2_normalize(f32({})), "l2_normalize: x must be [..., C], got []");
  CHECK_ERROR(l2_normalize(f32({3, 0})), "l2_normalize: x must not be empty, got shape [3, 0]");
}

TEST_CASE("errors: pooling and channels") {
  const Var x = f32({1, 5, 6, 2});
  CHECK_ERROR(max_pool(f32({5, 6}), {}), "max_pool: x must be [N, H, W, C], got [5, 6]");
  CHECK_ERROR(max_pool(x, {.kernel = 0}),
              "max_pool: kernel and stride must be positive, got 0 and 2");
  CHECK_ERROR(max_pool(x, {.kernel = 3, .pad = 2}),
              "max_pool: pad must be between 0 and half the kernel (3), got 2");
  CHECK_ERROR(max_pool(x, {.kernel = 6}),
              "max_pool: x is [1, 5, 6, 2], with pad 0 it is smaller than the 6 x 6 window");
  CHECK_ERROR(max_pool(f32({1, 20, 20, 1}), {.kernel = 17}),
              "max_pool: windows are at most 16 x 16 (positions are stored as one byte), "
              "got 17 x 17");
  CHECK_ERROR(avg_pool(x, {.stride = 0}),
              "avg_pool: kernel and stride must be positive, got 2 and 0");
  CHECK_ERROR(avg_pool(x, {.kernel = 6}),
              "avg_pool: x is [1, 5, 6, 2], with pad 0 it is smaller than the 6 x 6 window");
  CHECK_ERROR(blur_pool(f32({1, 5, 1, 2})),
              "blur_pool: x is [1, 5, 1, 2], but a reflected border needs two rows and two "
              "columns");
  CHECK_ERROR(blur_pool(ints({1, 4, 4, 2})),
              "blur_pool: x must be float32 or bfloat16, got int32");
  CHECK_ERROR(global_avg_pool(f32({2, 3})), "global_avg_pool: x must be [N, H, W, C], got [2, 3]");
  CHECK_ERROR(mean_tokens(f32({2, 3})), "mean_tokens: x must be [N, L, C], got [2, 3]");
  CHECK_ERROR(max_tokens(f32({2, 3})), "max_tokens: x must be [N, L, C], got [2, 3]");
  CHECK_ERROR(gaussian_noise(f32({3}), -1), "gaussian_noise: std must not be negative, got -1");
  CHECK_ERROR(concat(f32({2, 3}), f32({2, 4})),
              "concat: a is [2, 3], so b must have its rank and row shape, got [2, 4]");
  CHECK_ERROR(concat(f32({}), f32({})),
              "concat: a is [], so b must have its rank and row shape, got []");
  CHECK_ERROR(variance_tokens(f32({2, 1, 3})),
              "variance_tokens: x is [2, 1, 3], the unbiased variance needs L >= 2");
  CHECK_ERROR(variance_tokens(f32({2, 3})), "variance_tokens: x must be [N, L, C], got [2, 3]");
  CHECK_ERROR(scale_channels(x, f32({1, 2})),
              "scale_channels: x is [1, 5, 6, 2], so gate must be [1, 1, 1, 2], got [1, 2]");
  CHECK_ERROR(scale_channels(x, half({1, 1, 1, 2})),
              "scale_channels: x is float32, so gate must be too, got bfloat16 (use cast)");
  CHECK_ERROR(scale_channels(f32({2}), x), "scale_channels: x must be [N, H, W, C], got [2]");
}

TEST_CASE("errors: elementwise") {
  CHECK_ERROR(relu(kNone), "activation: x is undefined");
  CHECK_ERROR(gelu(ints({3})), "activation: x must be float32 or bfloat16, got int32");
  CHECK_ERROR(dropout(f32({3}), 1), "dropout: p must be in [0, 1), got 1");
  CHECK_ERROR(drop_path(f32({3}), 1), "drop_path: p must be in [0, 1), got 1");
  CHECK_ERROR(drop_path(f32({}), 0.5f), "drop_path: x must be [N, ...], got []");
  CHECK_ERROR(dropout(f32({3}), -0.5f), "dropout: p must be in [0, 1), got -0.5");
}

TEST_CASE("errors: matrix products") {
  CHECK_ERROR(linear(f32({2, 4}), f32({3, 5})),
              "linear: x is [2, 4], so w must be [*, 4], got [3, 5]");
  CHECK_ERROR(linear(f32({2, 4}), f32({4})), "linear: w must be [O, C], got [4]");
  CHECK_ERROR(linear(f32({}), f32({3, 4})), "linear: x must be [..., C], got []");
  CHECK_ERROR(linear(f32({2, 4}), half({3, 4})),
              "linear: x is float32, so w must be too, got bfloat16 (use cast)");
  CHECK_ERROR(linear(f32({2, 4}), f32({3, 4}), f32({4})),
              "linear: w is [3, 4], so bias must be float32 [3], got float32 [4]");
  CHECK_ERROR(linear_relu(f32({2, 4}), f32({3, 4}), half({3})),
              "linear_relu: w is [3, 4], so bias must be float32 [3], got bfloat16 [3]");
  CHECK_ERROR(matmul(f32({2, 3, 4}), f32({2, 3, 5})),
              "matmul: a is [2, 3, 4], so b must be [2, 4, *], got [2, 3, 5]");
  CHECK_ERROR(matmul(f32({3, 4}), f32({2, 3, 5})), "matmul: a must be [B, M, C], got [3, 4]");
  CHECK_ERROR(matmul(f32({2, 3, 4}), half({2, 4, 5})),
              "matmul: a is float32 on cpu, b is bfloat16 on cpu; they must agree");
}

TEST_CASE("errors: group_linear") {
  const Var h = f32({2, 100, 8}), w = f32({100, 8, 3});
  CHECK_ERROR(group_linear(h, f32({80, 8, 1}), f32({80})),
              "group_linear: h is [2, 100, 8], so w must be [100, 8, *], got [80, 8, 1]");
  CHECK_ERROR(group_linear(f32({2, 8}), w, f32({300})),
              "group_linear: h must be [N, G, D], got [2, 8]");
  CHECK_ERROR(group_linear(h, f32({8, 3}), f32({300})),
              "group_linear: w must be [G, D, g], got [8, 3]");
  CHECK_ERROR(group_linear(h, w, f32({301})),
              "group_linear: w is [100, 8, 3], so bias must be float32 [K] on cpu with "
              "1 <= K <= 300, got float32 [301]");
  CHECK_ERROR(group_linear(h, w, half({300})),
              "group_linear: w is [100, 8, 3], so bias must be float32 [K] on cpu with "
              "1 <= K <= 300, got bfloat16 [300]");
  CHECK_ERROR(group_linear(h, half({100, 8, 3}), f32({300})),
              "group_linear: h is float32 on cpu, w is bfloat16 on cpu; they must agree");
}

TEST_CASE("errors: embedding") {
  const Var table = f32({3, 2});
  Tensor ids = Tensor::zeros({4}, DType::i32);
  ids.data<int32_t>()[2] = 3;
  CHECK_ERROR(embedding(ids, table), "embedding: id 2 is 3, the table has 3 rows");
  ids.data<int32_t>()[2] = -1;
  CHECK_ERROR(embedding(ids, table), "embedding: id 2 is -1, the table has 3 rows");
  CHECK_ERROR(embedding(Tensor::zeros({4}), table),
              "embedding: ids must be int32 with elements and at most 4 dimensions, "
              "got float32 [4]");
  CHECK_ERROR(embedding(ids, f32({3})), "embedding: table must be [V, D], got [3]");
}

TEST_CASE("errors: attention and softmax") {
  const Var q = f32({2, 3, 8}), k = f32({2, 5, 8});
  CHECK_ERROR(attention(f32({3, 8}), k, k, {}), "attention: q must be [N, Q, D], got [3, 8]");
  CHECK_ERROR(attention(q, k, f32({2, 6, 8}), {}),
              "attention: k is [2, 5, 8], so v must be too, got [2, 6, 8]");
  CHECK_ERROR(attention(f32({3, 3, 8}), k, k, {}),
              "attention: k is [2, 5, 8], so q must be [2 or 1, *, 8], got [3, 3, 8]");
  CHECK_ERROR(attention(q, k, k, {.heads = 3}), "attention: 3 heads do not divide 8 features");
  CHECK_ERROR(attention(q, k, k, {.heads = 0}), "attention: 0 heads do not divide 8 features");
  CHECK_ERROR(attention(q, half({2, 5, 8}), half({2, 5, 8}), {}),
              "attention: q, k and v must have one dtype, got float32, bfloat16 and bfloat16");
  CHECK_ERROR(attention(q, k, k, {.heads = 2, .dropout = {.p = 1}}),
              "attention: p must be in [0, 1), got 1");
  CHECK_ERROR(softmax(f32({})), "softmax: x must be [..., C], got []");
  CHECK_ERROR(log_softmax(f32({2, 0})), "log_softmax: x must not be empty, got shape [2, 0]");
}

TEST_CASE("errors: losses") {
  const Var x = f32({2, 3});
  const Tensor y = Tensor::zeros({2, 3});
  CHECK_ERROR(asymmetric_loss(f32({3}), y), "asymmetric_loss: logits must be [N, K], got [3]");
  CHECK_ERROR(asymmetric_loss(half({2, 3}), y),
              "asymmetric_loss: logits must be float32, got bfloat16 (use cast)");
  CHECK_ERROR(asymmetric_loss(x, Tensor::zeros({2, 4})),
              "asymmetric_loss: logits are [2, 3] on cpu, so targets must be float32 of that shape "
              "on that device, got float32 [2, 4] on cpu");
  CHECK_ERROR(asymmetric_loss(x, y, {.clip = 1.5f}),
              "asymmetric_loss: needs gammas >= 0, clip in [0, 1), eps in (0, 1); got gamma_neg 4, "
              "gamma_pos 0, clip 1.5, eps 1e-08");
  CHECK_ERROR(binary_cross_entropy(x, Tensor::zeros({2, 3}, DType::u8)),
              "binary_cross_entropy: logits are [2, 3] on cpu, so targets must be float32 of that "
              "shape on that device, got uint8 [2, 3] on cpu");
  CHECK_ERROR(binary_cross_entropy(x, y, Tensor::zeros({2})),
              "binary_cross_entropy: logits are [2, 3] on cpu, so weights must be float32 of that "
              "shape on that device, got float32 [2] on cpu");
  CHECK_ERROR(cross_entropy(kNone, y), "cross_entropy: logits is undefined");
  const Tensor words = Tensor::zeros({x.shape()[1], 4});
  CHECK_ERROR(sdl_loss(x, {}, y, words, {.weight = 2}),
              "sdl_loss: weight must be in [0, 1], got 2");
  CHECK_THROWS_AS(sdl_loss(x, {}, y, Tensor::zeros({1, 4})), Error);
  CHECK_THROWS_AS(sdl_loss(x, f32({1, 1}), y, words), Error);
  CHECK_ERROR(asl_single_label(x, y, {.smoothing = 2}),
              "asl_single_label: needs gammas >= 0 and smoothing in [0, 1]; got gamma_neg 4, "
              "gamma_pos 0, smoothing 2");
  CHECK_ERROR(asl_single_label(f32({2, 3, 4}), y),
              "asl_single_label: logits must be [N, K], got [2, 3, 4]");
}

TEST_CASE("a call that is refused allocates nothing") {
  const Var x = f32({64, 56, 56, 8}), w = f32({8, 3, 3, 8}), bias = f32({9});
  const MemoryStats before = memory_pool(Device{}).stats();
  CHECK_THROWS_AS(conv2d(x, w, bias, {.pad = 1}), Error);
  CHECK_THROWS_AS(max_pool(x, {.kernel = 99}), Error);
  CHECK_THROWS_AS(scale_channels(x, bias), Error);
  const MemoryStats after = memory_pool(Device{}).stats();
  CHECK(after.in_use == before.in_use);
  CHECK(after.cached == before.cached);
  CHECK(after.peak == before.peak);
}

}  // namespace mld
