// Module: a layer or a model. It lists its members once, in each(); everything else that needs to
// know them (optimiser, checkpoint, EMA, device moves) is a walk over that list.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "autograd/tape.h"
#include "core/random.h"
#include "core/tensor.h"

namespace mld {

// A tensor of a module's state. `value` is undefined until initialize() or load_state() gives it
// one.
struct StateTensor {
  // How a checkpoint lays the elements out: files keep PyTorch's layout.
  enum class Layout { same, conv };  // conv: OHWI in memory, OIHW on disk

  Shape shape;  // as in memory
  DType dtype = DType::f32;
  Layout layout = Layout::same;
  Tensor value{};
};

// A trained tensor, float32.
struct Parameter : StateTensor {
  Tensor grad;  // undefined: zero
  bool trainable = true;
  bool decays = true;  // optim.weight_decay holds for it, if it holds for its kind

  explicit Parameter(const Shape& shape_, Layout layout_ = Layout::same)
      : StateTensor{shape_, DType::f32, layout_} {}
};

// A tensor that is state but not trained: running statistics (f32), batch counters (i64).
struct Buffer : StateTensor {
  explicit Buffer(const Shape& shape_, DType dtype_ = DType::f32) : StateTensor{shape_, dtype_} {}
};

class Visitor;

struct Module {
  bool training = false;  // batch statistics and dropout; set by set_training()
  bool frozen = false;    // always in evaluation mode: running statistics stay, nothing is dropped
  bool folds_norms = false;  // norms are folded into convolutions; see fold_batch_norm()

  virtual ~Module() = default;
  // Calls v(name, member) for every parameter, buffer and child, in the order of the checkpoint.
  virtual void each(Visitor& v) = 0;
  // Gives this module's own parameters and buffers their initial values (children have theirs
  // already, so a parent may override them). Draws from a stream of its own.
  virtual void reset(RandomStream&) {}
  // Drops what this module derived from its own values (a folded batch norm).
  virtual void drop_derived() {}
};

// What a walk does. Names are dotted paths, as in the checkpoint: "layer1.0.bn1.weight".
class Visitor {
 public:
  virtual ~Visitor() = default;

  void operator()(std::string_view name, Parameter& p);
  void operator()(std::string_view name, Buffer& b);
  void operator()(std::string_view name, Module& child);
  template <class M>
  void operator()(std::string_view name, std::optional<M>& member) {  // if there is one
    if (member) {
      (*this)(name, *member);
    }
  }
  template <class M>  // name.0, name.1, ...
  void operator()(std::string_view name, std::vector<std::unique_ptr<M>>& children) {
    for (size_t i = 0; i < children.size(); ++i) {
      (*this)(std::string(name) + "." + std::to_string(i), *children[i]);
    }
  }
  // Starts the walk at a model; `prefix` goes before every name. A child with an empty name adds
  // nothing to the path, so its members appear as its parent's.
  void walk(Module& root, std::string_view prefix = "");

 protected:
  virtual void parameter(const std::string& /*name*/, Parameter&) {}
  virtual void buffer(const std::string& /*name*/, Buffer&) {}
  virtual void leave(const std::string& /*name*/, Module&) {}  // after its members

 private:
  std::string path(std::string_view name) const;
  std::string prefix_;
};

// A parameter as an op input: recorded if x is on a tape and the parameter is trainable.
Var as_input(Parameter& p, const Var& x);

using NamedParameters = std::vector<std::pair<std::string, Parameter*>>;
using NamedBuffers = std::vector<std::pair<std::string, Buffer*>>;

NamedParameters parameters(Module& model);  // in the order of each()
NamedBuffers buffers(Module& model);
// Parameters and buffers, in the order of each().
std::vector<std::pair<std::string, StateTensor*>> state_tensors(Module& model);
int64_t count_parameters(Module& model);    // elements, frozen ones included, buffers not

// Initial values for everything, on the CPU: a pure function of the seed and each module's name,
// whatever the number of threads. Errors: a module whose reset() leaves a value out.
void initialize(Module& model, uint64_t seed);
// Takes a module out of training: its parameters get no gradients, it and those below it stay in
// evaluation mode (running statistics do not change) whatever set_training() is told.
void freeze(Module& module);
// The same for every parameter and module of `model` that is called `name`, or whose name begins
// with `name` and a dot. False if there is none.
bool freeze(Module& model, const std::string& name);
// Also ends fold_batch_norm().
void set_training(Module& model, bool training);
// Inference mode with every batch norm folded into its convolution (spec/backbones.md 7): weights
// are folded on first use and kept in the kernel's own layout. Parameters and state_dict() keep
// their names and values; set_training(), load_state(), initialize() and to() end it.
void fold_batch_norm(Module& model);
// Ends fold_batch_norm(): for whoever changes values behind the model's back (an EMA swap).
void unfold_batch_norm(Module& model);
// Moves parameters and float buffers; integer counters stay on the host. On meta everything is
// allocated anew, so a model without values can be measured there (core/meta/meter.h).
void to(Module& model, Device device);
void clear_gradients(Module& model);

// Name -> tensor in disk layout, CPU, in the order of each().
using StateDict = std::vector<std::pair<std::string, Tensor>>;
StateDict state_dict(Module& model);

enum class LoadPolicy {
  strict,    // every name on both sides, every shape
  matching,  // what fits by name and shape; the rest is reported, not an error
};
struct LoadReport {
  std::vector<std::string> missing;     // in the model, not in the file
  std::vector<std::string> unexpected;  // in the file, not in the model
  std::vector<std::string> mismatched;  // "name: [80, 768] in the file, [20, 768] in the model"
};
// A tensor somewhere in host memory, in disk layout: lets load_state() read a mapped file directly.
struct StateView {
  std::string name;
  Shape shape;
  DType dtype = DType::f32;
  const void* data = nullptr;  // aligned for dtype
};
std::vector<StateView> views_of(const StateDict& state);

// What load_state() would find, without loading anything.
LoadReport match_state(Module& model, std::span<const StateView> state);
// "2 missing (a, b); 1 unexpected (c)"; "" if everything fits.
std::string misfits(const LoadReport& report);

// Copies values in, widening bfloat16; the model's device is kept. A missing "num_batches_tracked"
// is never an error (old files lack it): the model's stays, or is zero if it had none.
// Errors (strict): DataError listing the missing, unexpected and mis-shaped names.
LoadReport load_state(Module& model, const StateDict& state,
                      LoadPolicy policy = LoadPolicy::strict);
LoadReport load_state(Module& model, std::span<const StateView> state,
                      LoadPolicy policy = LoadPolicy::strict);

}  // namespace mld
