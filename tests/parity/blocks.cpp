// blocks/resnet_basic, blocks/resnet_bottleneck: one residual block in training and evaluation.
#include "models/resnet.h"
#include "tests/parity/fixture.h"
#include "tests/parity/modules.h"

namespace mld::parity {
namespace {

void set_norm(const Json& config, BatchNorm2d& norm) {
  norm.spec.momentum = static_cast<float>(number(config, "bn_momentum", 0.1));
  norm.spec.eps = static_cast<float>(number(config, "bn_eps", 1e-5));
}

// Whether there is a projection shortcut depends on the reference alone, not on the shapes.
template <class Block>
void set_shortcut(Fixture& fixture, Block& block, int64_t C, int stride) {
  if (!fixture.has("param/downsample.0.weight")) {
    block.downsample.reset();
  } else if (!block.downsample) {
    const int64_t O = fixture.array("param/downsample.0.weight").shape.at(0);
    block.downsample.emplace(C, O, stride);
  }
  if (block.downsample) {
    set_norm(fixture.config(), block.downsample->bn);
  }
}

// <mode>/y, <mode>/grad/... and, after a training step, <mode>/after/<buffer>.
void compare_mode(Fixture& fixture, ResNetBlock& block, const std::string& mode) {
  load_module(fixture, block);
  set_training(block, mode == "train");
  Tape tape;
  const Var x = tape.variable(to_tensor(fixture.array("x"), kToNhwc));
  const Var y = block(x);
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
    fixture.compare(mode + "/y", to_array(block(Var(x.value)).value, kFromNhwc));
  }
}

void compare_modes(Fixture& fixture, ResNetBlock& block) {
  for (const char* mode : {"train", "eval"}) {
    if (fixture.has(std::string(mode) + "/y")) {
      compare_mode(fixture, block, mode);
    }
  }
}

template <class Block>
Block make_block(Fixture& fixture) {
  const int64_t C = fixture.array("x").shape.at(1);
  const int64_t planes = fixture.array("param/conv1.weight").shape.at(0);
  const int stride = static_cast<int>(integer(fixture.arguments(), "stride", 1));
  Block block(C, planes, stride);
  set_norm(fixture.config(), block.bn1);
  set_norm(fixture.config(), block.bn2);
  set_shortcut(fixture, block, C, stride);
  return block;
}

void run_basic(Fixture& fixture) {
  BasicBlock block = make_block<BasicBlock>(fixture);
  compare_modes(fixture, block);
}

void run_bottleneck(Fixture& fixture) {
  Bottleneck block = make_block<Bottleneck>(fixture);
  set_norm(fixture.config(), block.bn3);
  compare_modes(fixture, block);
}

}  // namespace

const std::vector<Kind>& block_kinds() {
  static const std::vector<Kind> kinds{{"blocks/resnet_basic", run_basic},
                                       {"blocks/resnet_bottleneck", run_bottleneck}};
  return kinds;
}

}  // namespace mld::parity
