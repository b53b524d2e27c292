// Every differentiable op, declared once. An op checks its inputs (message: the op's name, the
// rule, the values), allocates, calls its kernel, and records its backward.
//
// "Values" are float32 or bfloat16. Parameters (weights) must have the activation's dtype where the
// kernel multiplies by them (use cast); norm scales and biases stay float32. Shape letters:
// N pictures, H W height and width, C O channels in and out, L tokens, Q queries, D embedding,
// E heads, G groups, K classes, M rows of any matrix view. Errors: Error with the op's name first.
#pragma once

#include "autograd/tape.h"
#include "core/specs.h"

namespace mld {

// ---- movement -----------------------------------------------------------------------------------
Var reshape(const Var& x, const Shape& shape);
// float32 <-> bfloat16; x itself if it has that dtype. The only mixed-precision mechanism.
Var cast(const Var& x, DType dtype);
Var add(const Var& a, const Var& b);        // same shape and dtype
Var scale(const Var& x, float factor);      // factor * x
// The same rows for every picture.   x [R, D] -> [N, R, D]
Var repeat_batch(const Var& x, int64_t N);
// a's rows, then b's.   [A, ...], [B, ...] -> [A + B, ...]
Var concat(const Var& a, const Var& b);
Var transpose(const Var& x);                // [B, M, C] -> [B, C, M]
// Rows [begin, end) of the first dimension, sharing memory.   [R, ...] -> [end - begin, ...]
Var rows(const Var& x, int64_t begin, int64_t end);
Var join_tokens(const Var& a, const Var& b);  // a's, then b's: [N, A, C], [N, B, C] -> [N, A+B, C]
// Tokens [begin, end) of every picture.   [N, L, C] -> [N, end - begin, C]
Var slice_tokens(const Var& x, int64_t begin, int64_t end);
// Blocks of pixels as channels, in the order (row, column, channel of x). Errors: sides that are
// not multiples of block.   [N, H, W, C] -> [N, H/block, W/block, block^2 C]
Var space_to_depth(const Var& x, int block);

// ---- convolution and normalisation --------------------------------------------------------------
// Cross-correlation.   x [N, H, W, C], w [O, KH, KW, C/groups], bias f32 [O] or none
//   -> [N, OH, OW, O]
Var conv2d(const Var& x, const Var& w, const Conv2dSpec& spec = {});
Var conv2d(const Var& x, const Var& w, const Var& bias, const Conv2dSpec& spec = {});
// Inference: spec.act(conv2d(x, w) + bias [+ residual]); bias, residual may be undefined. Errors:
// an input that needs a gradient.
Var conv2d_fused(const Var& x, const Var& w, const Var& bias, const Var& residual,
                 const Conv2dSpec& spec);

// act(w * (x - mean) * rstd + b [+ residual]); with spec.abs_scale |w| + eps for w.
//   x, residual [N, H, W, C]; w, b f32 [C]
//   running_mean, running_var f32 [C]: updated in training, used otherwise
// Errors: an activation other than identity, relu, relu6 and leaky_relu with slope >= 0; in
// training, one value per channel only (its variance is undefined).
Var batch_norm(const Var& x, const Var& w, const Var& b, Tensor running_mean, Tensor running_var,
               const BatchNormSpec& spec = {}, const Var& residual = {});
// Over the last dimension.   x [..., C]; w, b f32 [C]
Var layer_norm(const Var& x, const Var& w, const Var& b, const LayerNormSpec& spec = {});
Var layer_norm(const Var& x, const LayerNormSpec& spec = {});  // no affine map
Var l2_normalize(const Var& x);                                // rows of [..., C] to length 1

// ---- pooling and channels -----------------------------------------------------------------------
// [N, H, W, C] -> [N, OH, OW, C]. Errors: padding beyond half the kernel, a window larger than the
// padded input; max_pool: a kernel beyond 16.
Var max_pool(const Var& x, const PoolSpec& spec);
Var avg_pool(const Var& x, const PoolSpec& spec);  // padding is never counted
// Blurred by [1, 2, 1] / 4 along both axes with a reflected border, every second pixel kept.
// Errors: a side of one pixel.   [N, H, W, C] -> [N, (H+1)/2, (W+1)/2, C]
Var blur_pool(const Var& x);
Var global_avg_pool(const Var& x);                 // [N, H, W, C] -> [N, 1, 1, C]
Var mean_tokens(const Var& x);                     // [N, L, C] -> [N, C]
Var variance_tokens(const Var& x);                 // unbiased, [N, L, C] -> [N, C]; L >= 2
Var max_tokens(const Var& x);                      // [N, L, C] -> [N, C]; the first maximum wins
Var scale_channels(const Var& x, const Var& gate);  // [N, H, W, C] times [N, 1, 1, C]

// ---- elementwise --------------------------------------------------------------------------------
Var activation(const Var& x, const ActivationSpec& spec);
Var relu(const Var& x);
Var leaky_relu(const Var& x, float slope);
Var relu6(const Var& x);       // min(max(x, 0), 6); derivative 0 at 0 and at 6
Var gelu(const Var& x);        // exact, by erf
Var quick_gelu(const Var& x);  // x * sigmoid(1.702 x)
Var sigmoid(const Var& x);
Var softplus(const Var& x);
Var exponential(const Var& x);
// Zeroes with probability p in [0, 1), divides the rest by 1 - p; the tape's key decides which.
// Identity without a tape, or with p = 0.
Var dropout(const Var& x, float p);
Var drop_path(const Var& x, float p);  // the same for whole pictures: stochastic depth. x [N, ...]
// x + N(0, std^2), drawn from the tape's key like dropout's mask. Identity without a tape, or with
// std = 0.
Var gaussian_noise(const Var& x, float std);

// ---- matrix products ----------------------------------------------------------------------------
// x w^T + bias.   x [..., C], w [O, C], bias f32 [O] or none -> [..., O]
Var linear(const Var& x, const Var& w);
Var linear(const Var& x, const Var& w, const Var& bias);
Var linear_relu(const Var& x, const Var& w, const Var& bias);  // max(0, linear), fused
Var matmul(const Var& a, const Var& b);  // [B, M, C] x [B, C, O] -> [B, M, O]
// Class k = group * g + j reads query `group` only.
//   h [N, G, D], w [G, D, g], bias f32 [K] (required: its length is K), K <= G * g -> [N, K]
//   (ML-Decoder eq. 6)
Var group_linear(const Var& h, const Var& w, const Var& bias);
// ids int32 [...], table [V, D] -> [..., D]. Errors: an id outside [0, V).
Var embedding(const Tensor& ids, const Var& table);

// ---- attention ----------------------------------------------------------------------------------
// Scaled dot-product attention with spec.heads heads over already projected inputs.
//   q [N, Q, D] or [1, Q, D] (shared by the pictures), k, v [N, L, D] -> [N, Q, D]
Var attention(const Var& q, const Var& k, const Var& v, const AttentionSpec& spec);
Var softmax(const Var& x);      // over the last dimension
Var log_softmax(const Var& x);

// ---- losses: logits float32, a scalar [1] unless said otherwise ---------------------------------
// `weights` multiply each element's loss; undefined: all are 1.
// ASL, summed over batch and classes.   logits, targets, weights f32 [N, K]
// Errors: a negative gamma, clip outside [0, 1), eps outside (0, 1).
Var asymmetric_loss(const Var& logits, const Tensor& targets, const AslSpec& spec = {},
                    const Tensor& weights = {});
// BCE with logits, mean over batch and classes (the weights do not count in the mean's N K).
Var binary_cross_entropy(const Var& logits, const Tensor& targets, const Tensor& weights = {});
// Cross-entropy against target distributions, mean over the batch.
Var cross_entropy(const Var& logits, const Tensor& targets);
// Single-label ASL per picture -> [N].   targets: one-hot [N, K]
Var asl_single_label(const Var& logits, const Tensor& targets, const AslSingleSpec& spec = {},
                     const Tensor& weights = {});
// Semantic diversity learning (arXiv 2105.05926), per picture -> [N]; the formula is that of
// sdl_loss_forward in core/kernels.inc. Only a weight of 0 counts: it takes the label out.
//   scores, targets, weights f32 [N, K]; variances f32 [N, D], or undefined for the ranking part
//   alone; words f32 [K, D]
// Errors: a spec.weight outside [0, 1].
Var sdl_loss(const Var& scores, const Var& variances, const Tensor& targets, const Tensor& words,
             const SdlSpec& spec = {}, const Tensor& weights = {});
Var mean(const Var& x);  // of all elements -> [1]
Var sum(const Var& x);   // of all elements -> [1]

}  // namespace mld
