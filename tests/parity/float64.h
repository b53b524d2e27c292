// The engine in float64: while a Float64 object lives, the CPU's kernels that a ResNet or
// TResNet with either head needs for training (and BCE, ASL, LAMB and Adam), and CLIP, compute in
// double.
//
// Note [Float64 parity]. A whole network in training mode cannot be compared with a float64
// reference gradient by gradient in float32. Among its millions of activations a few lie within
// float32's rounding of a ReLU's corner and fall on the other side; each one changes the gradients
// of everything below it by up to several percent. (full_resnet50_mld_train_96: PyTorch in float32
// has 5 such activations and sampled gradients up to 5 % off; the limit is 0.2 %.) So the models,
// the tape and the optimisers run once more, unchanged, on the kernels declared here, and that run
// is held to the limits. The product's kernels are compared with these, one by one on the same
// inputs: Note [Node by node]. The product's forward pass as a whole is held to the limits too.
//
// A tensor keeps its float32 elements; the doubles are kept beside them in its storage. An element
// that other code has changed since is used as it is. Kernels that are not in float64*.cpp compute
// in float32.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "core/kernels.h"
#include "core/tensor.h"
#include "tests/kernel_watch.h"

namespace mld::parity {

class NodeCheck;

class Float64 {
 public:
  Float64() : Float64(nullptr) {}
  explicit Float64(NodeCheck& check) : Float64(&check) {}  // the check sees every call
  ~Float64();
  Float64(const Float64&) = delete;
  Float64& operator=(const Float64&) = delete;
  static bool active();  // whether one exists

 private:
  explicit Float64(NodeCheck* check);

  test::KernelWatch watch_;
};

// The CPU's table with the kernels of float64*.cpp in it.
const KernelTable& float64_kernels();

// Another implementation's dropout masks: while it lives, the n-th op that draws on a tape gets
// masks[n] (nonzero for kept elements) instead. That op then computes in float64, for any dtype and
// device; every other kernel is the product's.
class GivenMasks {
 public:
  GivenMasks(Device device, std::vector<std::vector<double>> masks);
  ~GivenMasks();
  GivenMasks(const GivenMasks&) = delete;
  GivenMasks& operator=(const GivenMasks&) = delete;

 private:
  test::KernelWatch watch_;
};

// The factor dropout applies to element i: 1 / (1 - p) if it is kept, else 0.
double dropout_factor(const DropoutSpec& spec, size_t i);

using Doubles = std::vector<double>;

// The elements of a float32 CPU tensor: the doubles kept for them, where there are any.
Doubles read_doubles(const Tensor& x);
// Sets the elements and their doubles.
void write_doubles(const Tensor& y, const Doubles& values);

// y [M, N] = a [M, K] b [K, N]
Doubles multiply(const Doubles& a, const Doubles& b, size_t M, size_t N, size_t K);
Doubles transposed(const Doubles& x, size_t rows, size_t columns);

// Each adds a group of kernels to the table.
void add_float64_convolution(KernelTable& table);  // and batch norm
void add_float64_pooling(KernelTable& table);      // and blurring, squeeze-and-excitation
void add_float64_layers(KernelTable& table);       // linear, layer norm, attention, group linear
void add_float64_matrices(KernelTable& table);     // what CLIP needs besides
void add_float64_losses(KernelTable& table);       // BCE, ASL, SDL, cross-entropy
void add_float64_updates(KernelTable& table);      // movement, dropout, LAMB, Adam

}  // namespace mld::parity
