// blocks/...: one block in training and evaluation. TResNet's are in tresnet.cpp.
#include "tests/parity/blocks.h"

#include "models/resnet.h"
#include "tests/parity/modules.h"

namespace mld::parity {
namespace {

void set_norms(const Json& config, Module& block) {
  struct Walk : Visitor {
    const Json& config;
    explicit Walk(const Json& config_) : config(config_) {}
    void leave(const std::string&, Module& module) override {
      if (auto* norm = dynamic_cast<BatchNorm2d*>(&module)) {
        norm->spec.momentum = static_cast<float>(number(config, "bn_momentum", 0.1));
        norm->spec.eps = static_cast<float>(number(config, "bn_eps", 1e-5));
      }
    }
  };
  Walk(config).walk(block);
}

// <mode>/y, <mode>/grad/... and, after a training step, <mode>/after/<buffer>.
void compare_mode(Fixture& fixture, Module& block, const Forward& forward,
                  const std::string& mode) {
  load_module(fixture, block);
  set_training(block, mode == "train");
  Tape tape;
  const Var x = tape.variable(to_tensor(fixture.array("x"), kToNhwc));
  const Var y = forward(x);
  fixture.compare(mode + "/y", to_array(y.value, kFromNhwc));
  tape.backward(y, to_tensor(fixture.array("R"), kToNhwc));
  compare_gradient(fixture, mode + "/grad", "x", to_array(tape.grad(x), kFromNhwc));
  compare_gradients(fixture, block, mode + "/grad");
  for (const auto& [name, buffer] : buffers(block)) {
    if (const std::string key = mode + "/after/" + name; fixture.has(key)) {
      const Array ours = to_array(buffer->value);
      fixture.compare(key, buffer->dtype == DType::i64 ? reshape(ours, {}) : ours);
    }
  }
  if (mode == "eval") {  // inference with the norms folded into the convolutions
    fold_batch_norm(block);
    fixture.compare(mode + "/y", to_array(forward(Var(x.value)).value, kFromNhwc));
  }
}

template <class Block>
void run_resnet(Fixture& fixture) {
  const int64_t C = fixture.array("x").shape.at(1);
  const int64_t planes = fixture.array("param/conv1.weight").shape.at(0);
  const int stride = static_cast<int>(integer(fixture.arguments(), "stride", 1));
  Block block(C, planes, stride);
  // Whether there is a projection shortcut depends on the reference alone, not on the shapes.
  if (!fixture.has("param/downsample.0.weight")) {
    block.downsample.reset();
  } else if (!block.downsample) {
    const int64_t O = fixture.array("param/downsample.0.weight").shape.at(0);
    block.downsample.emplace(C, O, stride);
  }
  compare_modes(fixture, block, [&block](const Var& x) { return block(x); });
}

}  // namespace

void compare_modes(Fixture& fixture, Module& block, const Forward& forward) {
  set_norms(fixture.config(), block);
  for (const char* mode : {"train", "eval"}) {
    if (fixture.has(std::string(mode) + "/y")) {
      compare_mode(fixture, block, forward, mode);
    }
  }
}

const std::vector<Kind>& block_kinds() {
  static const std::vector<Kind> kinds{{"blocks/resnet_basic", run_resnet<BasicBlock>},
                                       {"blocks/resnet_bottleneck", run_resnet<Bottleneck>},
                                       {"blocks/tresnet_basic", run_tresnet_basic},
                                       {"blocks/tresnet_bottleneck", run_tresnet_bottleneck},
                                       {"blocks/conv_abn", run_conv_abn},
                                       {"blocks/se", run_squeeze_excite},
                                       {"blocks/operators", run_block_operators},
                                       {"nets/tresnet_tiny", run_tresnet_tiny}};
  return kinds;
}

}  // namespace mld::parity
