// TResNet's blocks and operators, and tiny whole networks with folding.
#include "models/tresnet.h"

#include <cmath>
#include <numeric>

#include "autograd/ops.h"
#include "core/error.h"
#include "models/gap_head.h"
#include "models/registry.h"
#include "tests/parity/blocks.h"
#include "tests/parity/float64.h"
#include "tests/parity/modules.h"
#include "tests/parity/node_check.h"

namespace mld::parity {
namespace {

// The fixed blur that some programs save, in whatever unit it stands.
void ignore_blurs(Fixture& fixture) {
  for (const std::string& key : fixture.keys()) {
    if (key.ends_with(".filt")) {
      fixture.ignore(key, "no part of our state; blocks/operators compares the blur");
    }
  }
}

bool has_shortcut(const Fixture& fixture) {
  const std::vector<std::string> keys = fixture.keys();
  return std::any_of(keys.begin(), keys.end(), [](const std::string& key) {
    return key.starts_with("param/downsample.");
  });
}

template <class Block>
void run_block(Fixture& fixture, const std::string& unit) {
  const Json& arguments = fixture.arguments();
  const TResNetBlockSpec spec{
      .stride = static_cast<int>(integer(arguments, "stride", 1)),
      .squeeze_excite = flag(arguments, "se", true),
      .slope = static_cast<float>(number(arguments, "slope", 1e-3))};
  const bool nested = fixture.has("param/" + unit + ".0.0.weight");
  const int64_t planes =
      fixture.array("param/" + unit + (nested ? ".0.0.weight" : ".0.weight")).shape.at(0);
  const int64_t C = fixture.array("x").shape.at(1);
  Block block(C, planes, spec);
  if (!has_shortcut(fixture)) {
    block.downsample.reset();
  } else if (!block.downsample) {
    block.downsample.emplace(C, Block::kExpansion * planes, spec.stride);
  }
  ignore_blurs(fixture);
  compare_modes(fixture, block, [&block](const Var& x) { return block(x); });
}

// ---- operators ----------------------------------------------------------------------------------

// <name>/<i>/x, y and, with R, grad_x.
void compare_operator(Fixture& fixture, const std::string& name, const Forward& op) {
  for (const std::string& i : fixture.cases(name + "/")) {
    const std::string at = name + "/" + i + "/";
    Tape tape;
    const Var x = tape.variable(to_tensor(fixture.array(at + "x"), kToNhwc));
    const Var y = op(x);
    fixture.compare(at + "y", to_array(y.value, kFromNhwc));
    if (fixture.has(at + "R")) {
      tape.backward(y, to_tensor(fixture.array(at + "R"), kToNhwc));
      fixture.compare(at + "grad_x", to_array(tape.grad(x), kFromNhwc));
    } else {  // the transpose of a rearrangement is its inverse
      tape.backward(y, to_tensor(fixture.array(at + "y"), kToNhwc));
      fixture.compare(at + "depth_to_space_of_y", to_array(tape.grad(x), kFromNhwc));
    }
  }
}

// ---- tiny networks ------------------------------------------------------------------------------

std::unique_ptr<Classifier> make_tiny(Fixture& fixture) {
  const Json& config = fixture.config();
  TResNetSpec spec{.basic_first = flag(config, "basic_first_two"),
                   .planes = static_cast<int64_t>(64 * number(config, "width_factor"))};
  const std::vector<int64_t> layers = integers(config, "layers");
  require<DataError>(layers.size() == 4, "{}: a TResNet has four stages", fixture.name());
  std::copy(layers.begin(), layers.end(), spec.layers.begin());
  auto backbone = std::make_unique<TResNet>(spec);
  auto head = std::make_unique<GapHead>(backbone->features(), integer(config, "num_classes"),
                                        LinearStyle{.name = "fc"});
  auto model = std::make_unique<Classifier>(std::move(backbone), std::move(head), "head");
  load_module(fixture, *model);
  return model;
}

double root_mean_square(const Array& x) {
  const double squares =
      std::inner_product(x.values.begin(), x.values.end(), x.values.begin(), 0.0);
  return std::sqrt(squares / static_cast<double>(x.numel()));
}

// stage_mean/, stage_rms/<stage>, features, pooled.
Tap comparing_tap(Fixture& fixture, const std::string& mode) {
  return [&fixture, mode](std::string_view stage, const Var& y) {
    if (stage == "pooled") {
      fixture.compare(mode + "/pooled", to_array(y.value));
    } else if (const std::string name(stage); fixture.has(mode + "/stage_mean/" + name)) {
      const Array ours = to_array(y.value, kFromNhwc);
      const double sum = std::accumulate(ours.values.begin(), ours.values.end(), 0.0);
      fixture.compare(mode + "/stage_mean/" + name, sum / static_cast<double>(ours.numel()));
      fixture.compare(mode + "/stage_rms/" + name, root_mean_square(ours));
      if (stage == "layer4") {
        fixture.compare(mode + "/features", ours);
      }
    }
  };
}

// Forward and backward of sum(logits * R). The gradients are compared if `gradients` says so.
void compare_mode(Fixture& fixture, const std::string& mode, bool gradients) {
  const std::unique_ptr<Classifier> model = make_tiny(fixture);
  set_training(*model, mode == "train");
  Tape tape;
  const Var x = tape.variable(to_tensor(fixture.array("x"), kToNhwc));
  const Var logits = (*model)(x, comparing_tap(fixture, mode));
  fixture.compare(mode + "/logits", to_array(logits.value));
  tape.backward(logits, to_tensor(fixture.array("R")));
  for (const auto& [name, buffer] : buffers(*model)) {
    if (const std::string key = mode + "/after/" + name; fixture.has(key)) {
      fixture.compare(key, to_array(buffer->value));
    }
  }
  if (gradients) {
    compare_gradient(fixture, mode + "/grad", "x", to_array(tape.grad(x), kFromNhwc));
    compare_gradients(fixture, *model, mode + "/grad");
  }
}

// The weights and biases of inference: folded units, the excitations' layers, the classifier.
struct FoldedTensors : Visitor {
  std::vector<Array> all;  // in the fixture's layout, weight and bias in turn
  void leave(const std::string&, Module& module) override {
    if (auto* unit = dynamic_cast<ConvAbn*>(&module)) {
      all.push_back(to_array(unit->bn.folded.weight, kFromNhwc));
      all.push_back(to_array(unit->bn.folded.bias));
    } else if (auto* se = dynamic_cast<SqueezeExcite*>(&module)) {
      for (Conv2d* fc : {&se->fc1, &se->fc2}) {
        all.push_back(value_of(fc->weight));
        all.push_back(value_of(*fc->bias));
      }
    } else if (auto* linear = dynamic_cast<Linear*>(&module)) {
      all.push_back(value_of(linear->weight));
      all.push_back(value_of(*linear->bias));
    }
  }
};

// The reference's names differ from ours, its order does not.
void compare_folded(Fixture& fixture, Classifier& model) {
  FoldedTensors ours;
  ours.walk(model);
  size_t next = 0;
  for (const std::string& key : fixture.keys()) {
    if (key.starts_with("fused_param/")) {
      require<DataError>(next < ours.all.size(), "{}: more folded tensors than ours",
                         fixture.name());
      fixture.compare(key, ours.all[next++]);
    }
  }
  fixture.expect(next == ours.all.size(), "fewer folded tensors than ours");
}

// Plain norms with the weight |w| + eps.
void make_plain(Module& model) {
  struct Walk : Visitor {
    void leave(const std::string&, Module& module) override {
      if (auto* norm = dynamic_cast<BatchNorm2d*>(&module)) {
        std::vector<float> weight = norm->weight.value.to_vector();
        for (float& w : weight) {
          w = norm->spec.scale(w);
        }
        norm->weight.value = Tensor::from(norm->weight.shape, weight).to(device());
        norm->spec.abs_scale = false;
      }
    }
  };
  Walk().walk(model);
}

}  // namespace

void run_tresnet_basic(Fixture& fixture) { run_block<TResNetBasic>(fixture, "conv1"); }
void run_tresnet_bottleneck(Fixture& fixture) { run_block<TResNetBottleneck>(fixture, "conv2"); }

void run_conv_abn(Fixture& fixture) {
  const std::vector<int64_t> w = fixture.array("param/0.weight").shape;  // [O, C, KH, KW]
  const Json& arguments = fixture.arguments();
  ActivationSpec act;
  if (text(arguments, "activation", "identity") == "leaky_relu") {
    act = {.kind = Act::leaky_relu, .slope = static_cast<float>(number(arguments, "slope"))};
  }
  ConvAbn unit(w.at(1), w.at(0), static_cast<int>(w.at(2)), act);
  compare_modes(fixture, unit, [&unit](const Var& x) { return unit(x); });
}

void run_squeeze_excite(Fixture& fixture) {
  const std::vector<int64_t> w = fixture.array("param/fc1.weight").shape;  // [hidden, C, 1, 1]
  SqueezeExcite se(w.at(1), w.at(0));
  compare_modes(fixture, se, [&se](const Var& x) { return se(x); });
}

void run_block_operators(Fixture& fixture) {
  compare_operator(fixture, "s2d", [](const Var& x) { return space_to_depth(x, 4); });
  compare_operator(fixture, "blur", [](const Var& x) { return blur_pool(x); });
  compare_operator(fixture, "avgpool",
                   [](const Var& x) { return avg_pool(x, {.ceil_mode = true}); });
  compare_operator(fixture, "maxpool", [](const Var& x) {
    return max_pool(x, {.kernel = 3, .stride = 2, .pad = 1});
  });
}

// See Note [Float64 parity]: the product's forward pass, the whole float64 run, every kernel.
void run_tresnet_tiny(Fixture& fixture) {
  for (const char* mode : {"eval", "train"}) {
    compare_mode(fixture, mode, false);
    const Float64 arithmetic;
    compare_mode(fixture, mode, true);
  }
  {
    NodeCheck check(device());
    const Float64 arithmetic(check);
    compare_mode(fixture, "train", false);
    check.report(fixture);
  }
  const std::unique_ptr<Classifier> model = make_tiny(fixture);
  const Var x(to_tensor(fixture.array("x"), kToNhwc));
  fold_batch_norm(*model);
  fixture.compare("fused/logits", to_array((*model)(x).value));
  compare_folded(fixture, *model);
  set_training(*model, false);
  make_plain(*model);
  fixture.compare("abn/logits", to_array((*model)(x).value));
}

}  // namespace mld::parity
