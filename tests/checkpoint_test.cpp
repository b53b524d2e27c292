// Checkpoints: what is written, what is verified, and the errors of bad ones.
#include <cstring>
#include <fstream>

#include <doctest/doctest.h>

#include "models/registry.h"
#include "tests/data_files.h"
#include "tests/reference.h"
#include "train/start_weights.h"
#include "train/training_state.h"

namespace mld {
namespace {

namespace fs = std::filesystem;
using test::read_file;
using test::TemporaryFolder;
using test::write_file;

CheckpointInfo small_info() {
  CheckpointInfo info;
  info.model = {.backbone = "resnet18", .head = "ml_decoder", .classes = 3, .groups = 2,
                .embed_dim = 16, .ffn = 8, .query = QueryKind::learnable, .dropout = 0.25};
  info.class_names = {"cat", "ein \"Hund\"", "\xe9\xb3\xa5\n"};
  info.preprocess = {.image_size = 64, .resize = ResizeMode::crop,
                     .interpolation = Interpolation::bicubic, .crop_pct = 0.875,
                     .normalize = Normalize::imagenet};
  info.weights = "ema";
  info.metrics = {{"mAP", 61.25}, {"CF1", 1.0 / 3}};
  info.thresholds = {0.25, 1.0 / 3, 2};
  info.config = "seed = 1\nname = \"a\"\n";
  return info;
}

// A file of ours that is quick to write: two tensors.
Checkpoint tiny() {
  Tensor step(Shape{1}, DType::i64);
  step.data<int64_t>()[0] = 41;
  return {.tensors = {{"weights", Tensor::full({2, 3}, 1.5f)}, {"step", step}},
          .metadata = {{"note", "n"}}};
}

// What the message says about the file at `path`, its name replaced by "FILE".
template <class F>
std::string data_error(const fs::path& path, F&& f) {
  try {
    f();
  } catch (const DataError& error) {
    std::string message = error.what();
    const size_t at = message.find(path.string());
    CHECK_NE(at, std::string::npos);
    return at == std::string::npos ? message : message.replace(at, path.string().size(), "FILE");
  }
  return "no DataError";
}

std::string load_message(const fs::path& path) {
  return data_error(path, [&] { load_checkpoint(path); });
}

// Replaces the only occurrence of `from`; the lengths must agree (a header has a length field).
std::string edited(std::string bytes, const std::string& from, const std::string& to) {
  REQUIRE_EQ(from.size(), to.size());
  const size_t at = bytes.find(from);
  REQUIRE_NE(at, std::string::npos);
  REQUIRE_EQ(bytes.find(from, at + 1), std::string::npos);
  return bytes.replace(at, from.size(), to);
}

TEST_CASE("named tensors: what is saved comes back, twice the same bytes") {
  const TemporaryFolder folder;
  const fs::path a = folder.path() / "a.safetensors", b = folder.path() / "b.safetensors";
  save_checkpoint(a, tiny());
  save_checkpoint(b, tiny());
  CHECK_EQ(read_file(a), read_file(b));
  const Checkpoint loaded = load_checkpoint(a);
  REQUIRE_EQ(loaded.tensors.size(), 2);
  CHECK_EQ(loaded.tensors[0].second.to_vector(), std::vector<float>(6, 1.5f));
  CHECK_EQ(loaded.tensors[1].second.data<int64_t>()[0], 41);
  CHECK_EQ(loaded.metadata.at("note"), "n");
  CHECK_EQ(loaded.metadata.at("format"), "mldecoder");
  save_checkpoint(b, loaded);  // what was read is written back the same
  CHECK_EQ(read_file(a), read_file(b));
}

TEST_CASE("parts of a state keep their names") {
  StateDict all;
  append(all, "ema", tiny().tensors);
  append(all, "model", {{"ema.x", Tensor::zeros({1})}});
  CHECK_EQ(all[0].first, "ema.weights");
  REQUIRE_EQ(part(all, "ema").size(), 2);
  CHECK_EQ(part(all, "ema")[1].first, "step");
  CHECK_EQ(part(all, "model")[0].first, "ema.x");
  CHECK(part(all, "mod").empty());
}

TEST_CASE("a model's checkpoint carries all that inference needs") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "best.safetensors",
                 again = folder.path() / "again.safetensors";
  const CheckpointInfo info = small_info();
  const auto model = make_model(info.model);
  initialize(*model, 4);
  save_model(path, state_dict(*model), info);
  LoadedModel loaded = model_from_checkpoint(path);
  CHECK(loaded.info == info);
  CHECK(read_checkpoint_info(path) == info);
  CHECK_FALSE(loaded.model->training);
  const Var x(Tensor::full({1, 40, 40, 3}, 0.5f));
  CHECK_EQ((*loaded.model)(x).value.to_vector(), (*model)(x).value.to_vector());
  save_model(again, state_dict(*loaded.model), loaded.info);
  CHECK_EQ(read_file(path), read_file(again));
}

TEST_CASE("a checkpoint from before thresholds has none") {
  Metadata metadata = to_metadata(small_info());
  metadata.erase("thresholds");
  CHECK(checkpoint_info(metadata, "file").thresholds.empty());
}

TEST_CASE("every damaged byte is noticed") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "c.safetensors";
  save_checkpoint(path, tiny());
  const std::string good = read_file(path);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    write_file(path, bad);
    CAPTURE(i);
    CHECK_NE(load_message(path), "no DataError");
  }
  for (size_t length = 0; length < good.size(); length += 7) {
    write_file(path, good.substr(0, length));
    CHECK_NE(load_message(path), "no DataError");
  }
}

TEST_CASE("errors: damage and strangers are told by file and tensor") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "c.safetensors";
  CHECK_NE(load_message(path).find("FILE: "), std::string::npos);  // missing
  save_checkpoint(path, tiny());
  const std::string good = read_file(path);

  std::string bad = good;
  bad[good.find(std::string("\x00\x00\xc0\x3f", 4))] = 1;  // the first 1.5f
  write_file(path, bad);
  CHECK(load_message(path).starts_with("FILE: damaged: tensor weights has checksum "));
  write_file(path, edited(good, "\"note\": \"n\"", "\"note\": \"m\""));
  CHECK(load_message(path).starts_with("FILE: damaged: the metadata have checksum "));
  write_file(path, edited(good, "\"format_version\": \"2\"", "\"format_version\": \"3\""));
  CHECK_EQ(load_message(path),
           "FILE: format version 3, this program reads versions up to 2; use the program that "
           "wrote it");

  const std::vector<uint8_t> foreign = to_safetensors(tiny().tensors, {{"format", "pt"}});
  write_file(path, std::string(foreign.begin(), foreign.end()));
  CHECK_EQ(load_message(path), "FILE: not a checkpoint of this program (its metadata do not say "
                               "format = mldecoder)");
  CHECK_EQ(CheckpointFile(path).tensors().size(), 2);  // but its tensors can be read
}

TEST_CASE("numbers of a description are read back to the last bit") {
  CheckpointInfo info = small_info();
  RandomStream random({.seed = 5});
  for (int i = 0; i < 1000; ++i) {
    info.metrics["mAP"] = 100 * random.uniform();
    info.model.dropout = 0.9 * random.uniform();
    REQUIRE(checkpoint_info(to_metadata(info), "file") == info);
  }
}

// A small model's file with changed metadata, and what loading it says.
struct ChangedFile {
  TemporaryFolder folder;
  fs::path path = folder.path() / "c.safetensors";
  CheckpointInfo info = small_info();
  StateDict state;

  ChangedFile() {
    const auto model = make_model(info.model);
    initialize(*model, 4);
    state = state_dict(*model);
  }
  std::string message(const Metadata& metadata) const {
    save_checkpoint(path, {.tensors = state, .metadata = metadata});
    return data_error(path, [&] { model_from_checkpoint(path); });
  }
  std::string with(const char* key, const std::string& value) const {
    Metadata metadata = to_metadata(info);
    metadata.insert_or_assign(key, value);
    return message(metadata);
  }
};

TEST_CASE("errors: descriptions that contradict themselves or the tensors") {
  const ChangedFile file;
  Metadata without = to_metadata(file.info);
  without.erase("classes");
  CHECK_EQ(file.message(without), "FILE: its metadata lack \"classes\"");
  CHECK_EQ(file.with("task", "regression"),
           "FILE: metadata \"task\" is regression, known are multi-label, single-label, "
           "zero-shot");
  CHECK_EQ(file.with("weights", "best"), "FILE: metadata \"weights\" is best, known are raw, ema");
  CHECK_EQ(file.with("classes", "[\"a\"]"), "FILE: 1 class names for a model of 3 classes");
  CHECK_EQ(file.with("classes", "[1]"), "FILE: metadata \"classes\": entry 0 must be text");
  CHECK_EQ(file.with("thresholds", "[0.5, 0.5]"), "FILE: 2 thresholds for 3 classes");
  CHECK_EQ(file.with("thresholds", "0.5"),
           "FILE: metadata \"thresholds\" must be an array of numbers");
  CHECK_EQ(file.with("thresholds", "[0.5, null, 0.5]"),
           "FILE: metadata \"thresholds\": entry 1 must be a number");
  CHECK_EQ(file.with("thresholds", "[0.5, -0.5, 0.5]"),
           "FILE: metadata \"thresholds\" has -0.5, expected 0 to 2");
  CHECK(file.with("classes", "[\"a\"").starts_with("FILE: metadata \"classes\", byte 4: "));
  CHECK(file.with("classes", std::string(100000, '['))
            .starts_with("FILE: metadata \"classes\", byte "));
  CHECK_EQ(file.with("metrics", "{\"a\":1,\"a\":2}"), "FILE: metadata \"metrics\" has a twice");
  CHECK_EQ(file.with("metrics", "{\"a\":\"1\"}"), "FILE: metadata \"metrics\": a must be a number");
  const auto pictures = [](int size, const char* resize) {
    return fmt::format(R"({{"image_size":{},"resize":"{}","interpolation":"bilinear",)"
                       R"("normalize":"none"}})", size, resize);
  };
  CHECK_EQ(file.with("preprocessing", pictures(64, "zoom")),
           "FILE: metadata \"preprocessing\": resize: expected one of squash, crop, pad, got the "
           "text \"zoom\"");
  CHECK_EQ(file.with("preprocessing", pictures(-1, "crop")),
           "FILE: metadata \"preprocessing\": image_size: expected integer from 16 to 4096, got "
           "the integer -1");
}

TEST_CASE("errors: a model's description that nothing fits") {
  ChangedFile file;
  const auto model_json = [](const char* backbone, const char* embed_dim, const char* ffn) {
    return fmt::format(R"({{"backbone":"{}","head":"ml_decoder","classes":3,"groups":2,)"
                       R"("embed_dim":{},"ffn":{},"query":"random","dropout":0.1}})",
                       backbone, embed_dim, ffn);
  };
  CHECK_EQ(file.with("model", model_json("resnet51", "16", "8")),
           fmt::format("FILE: metadata \"model\": backbone: expected one of {}, got the text "
                       "\"resnet51\", did you mean 'resnet50'?",
                       fmt::join(names_of(backbones()), ", ")));
  CHECK_EQ(file.with("model", model_json("resnet18", "1e3", "8")),
           "FILE: metadata \"model\": embed_dim: expected integer from 8 to 65536, got the number "
           "1000");
  CHECK_EQ(file.with("model", "{\"classes\":3,\"classes\":3}"),
           "FILE: metadata \"model\" has classes twice");
  CHECK_EQ(file.with("model", "{\"classes\":3,\"depth\":4}"),
           "FILE: metadata \"model\" have depth, which this program does not know: the file was "
           "written by a newer version; use that one");
  // A size that no memory could hold is refused before any is allocated.
  CHECK_NE(file.with("model", model_json("resnet18", "16", "9000000000000000000")), "no DataError");
  CHECK_NE(file.with("model", model_json("resnet18", "16", "-8")), "no DataError");
  CHECK_NE(file.with("model", model_json("resnet18", "1600", "8")).find("of another shape"),
           std::string::npos);
  file.state.pop_back();
  CHECK_EQ(file.message(to_metadata(file.info)),
           "FILE: the weights do not fit the model: 1 missing (fc.decoder.query_embed.weight)");
}

TEST_CASE("a training state is read as it was written, every field") {
  const TrainingState state{.step = 1, .epoch = 2, .batch = 3, .loss_sum = 0.1,
                            .validated_step = 5, .raw_metric = 6.25, .ema_metric = 7.5,
                            .best = {.metric = 8.125, .step = 9, .weights = "ema"},
                            .thresholds = {0.25, 2},
                            .finished = true, .history = {1.5, 1.0 / 3}, .bad_train = {10, 11},
                            .bad_val = {12}, .threads = 13, .fingerprint = "f",
                            .picture_sizes = "p", .config = "c = 1\n"};
  const auto metadata = to_metadata(state);
  CHECK_EQ(metadata.size(), 20);  // with the version
  CHECK(from_metadata(metadata, "file") == state);
  auto older = metadata;
  older.erase("thresholds");
  older.erase("picture_sizes");
  CHECK(from_metadata(older, "file").thresholds.empty());
}

TEST_CASE("errors: starting strictly from a checkpoint of other classes") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "best.safetensors";
  const CheckpointInfo info = small_info();
  const auto model = make_model(info.model);
  initialize(*model, 1);
  save_model(path, state_dict(*model), info);
  const auto start = [&](InitPolicy policy, const std::vector<std::string>& names) {
    return data_error(path, [&] { init_from_checkpoint(*model, {path, policy}, names); });
  };
  const std::vector<std::string> renamed = {"cat", "ein \"Hund\"", "bird"};
  CHECK_EQ(start(InitPolicy::strict, info.class_names), "no DataError");
  CHECK_EQ(start(InitPolicy::matching, renamed), "no DataError");
  CHECK_EQ(start(InitPolicy::strict, {"cat", "dog"}),
           "FILE: the checkpoint has 3 classes, the data 2; model.init_policy = \"backbone\" "
           "leaves the head out");
  CHECK_EQ(start(InitPolicy::strict, renamed),
           "FILE: class 2 is '\xe9\xb3\xa5\\n' in the checkpoint and 'bird' in the data; "
           "model.init_policy = \"backbone\" leaves the head out");
}

TEST_CASE("starting from another program's file: float16, float64 and odd alignment") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "foreign.safetensors";
  const auto source = make_model({.backbone = "resnet18", .head = "gap", .classes = 2});
  initialize(*source, 1);
  StateDict state = state_dict(*source);
  // By hand: an entry of one byte first, so that nothing after it is aligned; float64 throughout.
  std::string header = R"({"pad":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  std::string data(1, '\0');
  for (const auto& [name, tensor] : state) {
    std::string dims;
    for (const int64_t n : tensor.shape().dims()) {
      dims += fmt::format("{}{}", dims.empty() ? "" : ",", n);
    }
    const size_t begin = data.size();
    const bool integer = tensor.dtype() == DType::i64;
    for (int64_t i = 0; i < tensor.numel(); ++i) {
      char bytes[8];
      const double value = integer ? 0.0 : double{tensor.data<float>()[i]};
      const int64_t count = integer ? tensor.data<int64_t>()[i] : 0;
      std::memcpy(bytes, integer ? static_cast<const void*>(&count) : &value, 8);
      data.append(bytes, 8);
    }
    header += fmt::format(R"(,"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", name,
                          integer ? "I64" : "F64", dims, begin, data.size());
  }
  header += "}";
  const uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  write_file(path, file + header + data);

  CheckpointFile mapped(path);
  for (const StateView& view : mapped.tensors()) {  // converted, or copied if misaligned
    CHECK_EQ(reinterpret_cast<uintptr_t>(view.data) % size_of(view.dtype), 0);
  }
  const auto target = make_model({.backbone = "resnet18", .head = "gap", .classes = 2});
  initialize(*target, 2);
  const LoadReport report = init_from_checkpoint(*target, {path, InitPolicy::matching}, {});
  CHECK_EQ(report.unexpected, std::vector<std::string>{"pad"});
  CHECK(report.missing.empty());
  const Var x(Tensor::full({1, 33, 33, 3}, 0.5f));
  CHECK_EQ((*target)(x).value.to_vector(), (*source)(x).value.to_vector());
  CHECK_EQ(data_error(path, [&] { init_from_checkpoint(*target, {path, InitPolicy::strict}, {}); }),
           "FILE: the weights do not fit the model: 1 unexpected (pad)");
}

}  // namespace
}  // namespace mld
