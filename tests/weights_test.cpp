// Weights as they are loaded: numbers that no valid model has.
#include <bit>
#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include "core/parallel.h"
#include "models/registry.h"
#include "tests/data_files.h"
#include "tests/reference.h"
#include "train/finite.h"
#include "train/run_folder.h"
#include "train/start_weights.h"

namespace mld {
namespace {

namespace fs = std::filesystem;
using test::message_of;
using test::TemporaryFolder;
using test::write_file;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The message about one tensor with `value` somewhere in it, or "no error".
std::string error_of(const std::string& name, float value, int64_t at, int64_t size = 1000) {
  Tensor tensor = Tensor::full({size}, 0.5f);
  tensor.data<float>()[at] = value;
  return message_of<DataError>(
      [&] { check_weights({{"before", Tensor::full({3}, -1.0f)}, {name, tensor}}); });
}

ModelSpec small() {
  return {.backbone = "resnet18", .head = "gap", .classes = 2};
}

// A safetensors file of another program with the state of a small model.
void write_foreign(const fs::path& path, const StateDict& state) {
  const std::vector<uint8_t> bytes = to_safetensors(state, {});
  write_file(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::string start_from(const fs::path& path, const fs::path& root) {
  const auto model = make_model(small());
  initialize(*model, 1);
  return message_of<DataError>(
      [&] { init_from_checkpoint(*model, {path, InitPolicy::strict}, {"a", "b"}); }, root);
}

Tensor& tensor_of(StateDict& state, const std::string& name) {
  const auto found = std::find_if(state.begin(), state.end(),
                                  [&](const auto& entry) { return entry.first == name; });
  REQUIRE(found != state.end());
  return found->second;
}

TEST_CASE("weights that are not finite, or a variance below zero, are named with their place") {
  CHECK_EQ(error_of("conv1.weight", 0.25f, 7), "no error");
  CHECK_EQ(error_of("conv1.weight", -3e38f, 999), "no error");  // large, but a number
  CHECK_EQ(error_of("bn1.running_var", -0.0f, 7), "no error");
  CHECK_EQ(error_of("conv1.weight", kNaN, 7),
           "tensor conv1.weight holds NaN (element 7 of 1000); weights must be finite numbers; use "
           "another copy, or the weights of an earlier save");
  CHECK_EQ(error_of("bn1.running_var", -1e-30f, 0),
           "tensor bn1.running_var holds -1e-30 (element 0 of 1000); a variance is never negative; "
           "use another copy, or the weights of an earlier save");
  for (const float value : {kNaN, -kNaN, kInfinity, -kInfinity,
                            std::bit_cast<float>(0x7f800001), std::bit_cast<float>(0xffffffff)}) {
    for (const int64_t at : {0, 1, 15, 16, 998, 999}) {  // vector lanes and the remainder
      CHECK(error_of("fc.bias", value, at).starts_with("tensor fc.bias holds "));
      CHECK(error_of("bn1.running_var", value, at).starts_with("tensor bn1.running_var holds "));
    }
  }
}

TEST_CASE("the first bad tensor is named, whatever the number of threads") {
  StateDict state;
  for (int i = 0; i < 40; ++i) {
    state.emplace_back("t" + std::to_string(i), Tensor::full({1 + 100 * i}, 1.0f));
  }
  for (const int i : {11, 12, 39}) {
    tensor_of(state, "t" + std::to_string(i)).data<float>()[3] = kNaN;
  }
  const int before = compute_threads();
  for (const int threads : {1, 2, 7}) {
    set_threads(threads);
    CHECK(message_of<DataError>([&] { check_weights(state); }).starts_with("tensor t11 holds"));
  }
  set_threads(before);
}

TEST_CASE("starting weights in every stored type") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "w.safetensors";
  const auto source = make_model(small());
  initialize(*source, 1);
  const StateDict state = state_dict(*source);
  write_foreign(path, state);
  CHECK_EQ(start_from(path, folder.path()), "no error");

  StateDict nan = state_dict(*source);
  tensor_of(nan, "layer2.0.bn1.bias").data<float>()[5] = kNaN;
  write_foreign(path, nan);
  const char* expected = "ROOT/w.safetensors: tensor layer2.0.bn1.bias holds NaN (element 5 of "
                         "128); weights must be finite numbers; use another copy, or the weights "
                         "of an earlier save";
  CHECK_EQ(start_from(path, folder.path()), expected);

  // bfloat16, and float16 by another name for the type: both are two bytes.
  StateDict half = state;
  Tensor& bias = tensor_of(half, "layer2.0.bn1.bias");
  bias = Tensor(bias.shape(), DType::bf16);
  std::fill_n(static_cast<uint16_t*>(bias.raw()), bias.numel(), uint16_t{0});
  static_cast<uint16_t*>(bias.raw())[5] = 0x7fc0;
  write_foreign(path, half);
  CHECK_EQ(start_from(path, folder.path()), expected);
  static_cast<uint16_t*>(bias.raw())[5] = 0x7c00;  // float16's infinity, a number in bfloat16
  write_foreign(path, half);
  CHECK_EQ(start_from(path, folder.path()), "no error");
  std::string bytes = test::read_file(path);
  bytes.replace(bytes.find("\"BF16\""), 6, "\"F16\" ");
  write_file(path, bytes);
  CHECK(start_from(path, folder.path()).find("bn1.bias holds inf (element 5 of") !=
        std::string::npos);
}

TEST_CASE("checkpoints and run folders with such numbers are refused") {
  const TemporaryFolder folder;
  const RunFolder run = create_run_folder(folder.path() / "run", false);
  const auto source = make_model(small());
  initialize(*source, 1);
  StateDict state = state_dict(*source);
  CheckpointInfo info;
  info.model = small();
  info.class_names = {"a", "b"};
  const auto loaded = [&](const fs::path& path) {
    return message_of<DataError>([&] { model_from_checkpoint(path); }, folder.path());
  };
  CHECK_EQ(loaded(run.root).substr(0, 43), "ROOT/run: no weights in this folder, expect");
  save_model(run.last(), state, info);
  CHECK_EQ(loaded(run.root), "no error");  // there is no best yet
  tensor_of(state, "bn1.running_var").data<float>()[63] = -0.5f;
  save_model(run.best(), state, info);
  const char* expected = "ROOT/run/weights/best.safetensors: tensor bn1.running_var holds -0.5 "
                         "(element 63 of 64); a variance is never negative; use another copy, or "
                         "the weights of an earlier save";
  CHECK_EQ(loaded(run.root), expected);
  CHECK_EQ(loaded(run.root / ""), expected);
  save_checkpoint(run.state(), {.tensors = {{"model.x", Tensor::full({2}, kInfinity)}},
                                .metadata = {{"training_state", "1"}}});
  const auto load = [&] { load_checkpoint(run.state()); };
  CHECK_EQ(message_of<DataError>(load, folder.path()).substr(0, 75),
           "ROOT/run/weights/last.state.safetensors: tensor model.x holds inf (element ");
  // A training state is not a model's checkpoint, nor another program's file.
  const char* state_error = "ROOT/run/weights/last.state.safetensors: is a run's training state; "
                           "its weights are in best.safetensors and last.safetensors beside it";
  CHECK_EQ(loaded(run.state()), state_error);
  CHECK_EQ(start_from(run.state(), folder.path()), state_error);
  write_foreign(folder.path() / "f.safetensors", state);
  CHECK(loaded(folder.path() / "f.safetensors").find("is no checkpoint of mldecoder") !=
        std::string::npos);
}

TEST_CASE("outputs that are not finite are an error that names the picture") {
  const auto name = [](int64_t row) { return "p" + std::to_string(row); };
  std::vector<float> logits = {1, 2, 3, -4, 5, 6};
  check_outputs(logits, 3, name);
  logits[4] = kNaN;
  CHECK_ERROR(NumericError,
              "p1: the model's output for class 1 is NaN: its weights lead to values too large "
              "for float32. Train with a lower optim.lr, or use an earlier save",
              check_outputs(logits, 3, name));
  logits[2] = -kInfinity;
  CHECK(message_of<NumericError>([&] { check_outputs(logits, 3, name); })
            .starts_with("p0: the model's output for class 2 is infinite"));
}

}  // namespace
}  // namespace mld
