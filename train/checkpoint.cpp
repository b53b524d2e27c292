#include "train/checkpoint.h"

#include <atomic>
#include <cmath>
#include <cstring>

#include "core/parallel.h"
#include "data/file.h"
#include "data/text.h"
#include "train/checkpoint_json.h"
#include "train/finite.h"
#include "train/run_folder.h"
#include "train/training_state.h"

namespace mld {

namespace {

constexpr std::string_view kFormat = "mldecoder", kVersion = "1";
constexpr const char* kChecksums = "crc32c";                  // JSON: tensor name -> 8 hex digits
constexpr const char* kMetadataChecksum = "metadata_crc32c";  // over all other entries

std::string hex(uint32_t value) { return fmt::format("{:08x}", value); }

// Over "key NUL value NUL" of every entry but the checksum itself, in key order.
uint32_t metadata_checksum(const Metadata& metadata) {
  std::string text;
  for (const auto& [key, value] : metadata) {
    if (key != kMetadataChecksum) {
      text.append(key).push_back('\0');
      text.append(value).push_back('\0');
    }
  }
  return crc32c({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

std::string get(const Metadata& metadata, const char* key, const std::string& file) {
  const auto found = metadata.find(key);
  require<DataError>(found != metadata.end(), "{}: its metadata lack \"{}\"", file, key);
  return found->second;
}

// Rethrows what a model complained about as an error of the file it came from.
template <class F>
auto naming(const std::string& file, F&& f) {
  try {
    return f();
  } catch (const OutOfMemory&) {
    throw;
  } catch (const Error& error) {
    fail<DataError>("{}: {}", file, error.what());
  }
}

}  // namespace

// ---- named tensors with checksums ---------------------------------------------------------------

void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  StateDict tensors;
  std::map<std::string, std::string> checksums;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    tensors.emplace_back(name, tensor.to(Device{}));
    const Tensor& host = tensors.back().second;
    checksums[name] = hex(crc32c({static_cast<const uint8_t*>(host.raw()), host.bytes()}));
  }
  Metadata metadata = checkpoint.metadata;
  metadata.insert_or_assign("format", std::string(kFormat));
  metadata.insert_or_assign("format_version", std::string(kVersion));
  metadata.insert_or_assign(kChecksums, json_object(checksums));
  metadata.insert_or_assign(kMetadataChecksum, hex(metadata_checksum(metadata)));
  write_file_atomically(path, to_safetensors(tensors, metadata));
}

Checkpoint load_checkpoint(const std::filesystem::path& path) {
  CheckpointFile file(path);
  require<DataError>(file.ours(), "{}: not a checkpoint of this program (its metadata do not say "
                     "format = {})", file.path(), kFormat);
  Checkpoint checkpoint{.tensors = {}, .metadata = file.metadata()};
  for (const StateView& view : file.tensors()) {
    Tensor tensor(view.shape, view.dtype);
    std::memcpy(tensor.raw(), view.data, tensor.bytes());
    checkpoint.tensors.emplace_back(view.name, tensor);
  }
  naming(file.path(), [&] { check_weights(checkpoint.tensors); });
  return checkpoint;
}

CheckpointFile::CheckpointFile(const std::filesystem::path& path, Verify verify) : file_(path) {
  const auto format = metadata().find("format");
  ours_ = format != metadata().end() && format->second == kFormat;
  if (ours_) {
    verify_metadata();
    if (verify == Verify::checksums) {
      verify_tensors();
    }
  }
}

void CheckpointFile::verify_metadata() const {
  const std::string version = get(metadata(), "format_version", path());
  require<DataError>(version == kVersion,
                     "{}: format version {}, this program reads version {}; use the program that "
                     "wrote it", path(), printable(version), kVersion);
  const std::string expected = get(metadata(), kMetadataChecksum, path());
  const std::string actual = hex(metadata_checksum(metadata()));
  require<DataError>(actual == expected, "{}: damaged: the metadata have checksum {}, expected {}",
                     path(), actual, printable(expected));
}

void CheckpointFile::verify_tensors() const {
  const auto checksums = parse_text_object(get(metadata(), kChecksums, path()), path(), kChecksums);
  const std::vector<std::string>& names = file_.names();
  std::vector<uint32_t> actual(names.size());
  std::atomic<size_t> next = 0;  // tensors differ in size: each thread takes the next one
  parallel_for(compute_threads(), 1, [&](int64_t, int64_t) {
    for (size_t i = next++; i < names.size(); i = next++) {
      actual[i] = crc32c(file_.at(names[i]).bytes);
    }
  });
  for (size_t i = 0; i < names.size(); ++i) {
    const auto expected = checksums.find(names[i]);
    require<DataError>(expected != checksums.end(), "{}: damaged: tensor {} has no checksum",
                       path(), printable(names[i]));
    require<DataError>(hex(actual[i]) == expected->second,
                       "{}: damaged: tensor {} has checksum {}, expected {}; use another copy",
                       path(), printable(names[i]), hex(actual[i]), printable(expected->second));
  }
  require<DataError>(checksums.size() == names.size(),
                     "{}: damaged: checksums for {} tensors, but it holds {}", path(),
                     checksums.size(), names.size());
}

std::vector<StateView> CheckpointFile::tensors() {
  const auto readable = [](const SafeTensor& entry) -> std::optional<DType> {
    const auto aligned = [&](DType dtype) {
      return reinterpret_cast<uintptr_t>(entry.bytes.data()) % size_of(dtype) == 0
                 ? std::optional(dtype) : std::nullopt;
    };
    if (entry.shape.size() > Shape::kMaxDims) return std::nullopt;
    if (entry.dtype == "F32") return aligned(DType::f32);
    if (entry.dtype == "BF16") return aligned(DType::bf16);
    if (entry.dtype == "I64") return aligned(DType::i64);
    if (entry.dtype == "I32") return aligned(DType::i32);
    if (entry.dtype == "U8") return DType::u8;
    return std::nullopt;
  };
  std::vector<StateView> views;
  for (const std::string& name : file_.names()) {
    const SafeTensor& entry = file_.at(name);
    if (const std::optional<DType> dtype = readable(entry)) {
      views.push_back({name, Shape(std::span(entry.shape)), *dtype, entry.bytes.data()});
      continue;
    }
    const Tensor tensor = naming(path() + ": tensor " + printable(name),
                                 [&] { return entry.to_tensor(); });
    converted_.push_back(tensor);
    views.push_back({name, tensor.shape(), tensor.dtype(), tensor.raw()});
  }
  return views;
}

void append(StateDict& all, std::string_view prefix, const StateDict& part) {
  for (const auto& [name, tensor] : part) {
    all.emplace_back(fmt::format("{}.{}", prefix, name), tensor);
  }
}

StateDict part(const StateDict& all, std::string_view prefix) {
  const std::string start = std::string(prefix) + ".";
  StateDict found;
  for (const auto& [name, tensor] : all) {
    if (name.starts_with(start)) {
      found.emplace_back(name.substr(start.size()), tensor);
    }
  }
  return found;
}

// ---- models -------------------------------------------------------------------------------------

Metadata to_metadata(const CheckpointInfo& info) {
  const auto quoted = [](const std::string& text) { return json_string(text); };
  std::string classes, metrics;
  for (const std::string& name : info.class_names) {
    classes += fmt::format("{}{}", classes.empty() ? "" : ",", quoted(name));
  }
  for (const auto& [name, value] : info.metrics) {
    if (!std::isfinite(value)) {
      continue;  // JSON has no such number
    }
    metrics += fmt::format("{}{}:{}", metrics.empty() ? "" : ",", quoted(name), value);
  }
  const ModelSpec& m = info.model;
  Metadata metadata;
  metadata["task"] = info.task;
  metadata["weights"] = info.weights;
  metadata["config"] = info.config;
  metadata["classes"] = fmt::format("[{}]", classes);
  metadata["metrics"] = fmt::format("{{{}}}", metrics);
  metadata["model"] = fmt::format(
      R"({{"backbone":{},"head":{},"classes":{},"groups":{},"embed_dim":{},"ffn":{},"query":{},)"
      R"("dropout":{}}})",
      quoted(m.backbone), quoted(m.head), m.classes, m.groups, m.embed_dim, m.ffn,
      quoted(m.query), m.dropout);
  metadata["preprocessing"] = fmt::format(
      R"({{"image_size":{},"resize":{},"interpolation":{},"normalize":{}}})", info.image_size,
      quoted(info.resize), quoted(info.interpolation), quoted(info.normalize));
  return metadata;
}

CheckpointInfo checkpoint_info(const Metadata& metadata, const std::string& file) {
  const auto text = [&](const char* key) { return get(metadata, key, file); };
  CheckpointInfo info;
  info.task = text("task");
  info.weights = text("weights");
  info.config = text("config");
  info.class_names = parse_text_array(text("classes"), file, "classes");
  info.metrics = parse_number_object(text("metrics"), file, "metrics");
  const JsonFields model(text("model"), file, "model");
  info.model = {.backbone = model.text("backbone"),
                .head = model.text("head"),
                .classes = model.integer("classes"),
                .groups = model.integer("groups"),
                .embed_dim = model.integer("embed_dim"),
                .ffn = model.integer("ffn"),
                .query = model.text("query"),
                .dropout = static_cast<float>(model.number("dropout"))};
  const JsonFields pictures(text("preprocessing"), file, "preprocessing");
  info.image_size = pictures.integer("image_size");
  info.resize = pictures.one_of("resize", {"squash", "crop", "pad"});
  info.interpolation = pictures.one_of("interpolation", {"bilinear", "bicubic"});
  info.normalize = pictures.one_of("normalize", {"none", "imagenet"});
  const auto one_of = [&](const char* key, const std::string& value, const char* a, const char* b) {
    require<DataError>(value == a || value == b, "{}: metadata \"{}\" is {}, known are {}, {}",
                       file, key, printable(value), a, b);
  };
  one_of("task", info.task, "multi-label", "single-label");
  one_of("weights", info.weights, "raw", "ema");
  require<DataError>(static_cast<int64_t>(info.class_names.size()) == info.model.classes,
                     "{}: {} class names for a model of {} classes", file,
                     info.class_names.size(), info.model.classes);
  constexpr int64_t kSmallestSide = 16, kLargestSide = 4096;  // data.image_size's
  require<DataError>(kSmallestSide <= info.image_size && info.image_size <= kLargestSide,
                     "{}: image_size must be in {}..{}, got {}", file, kSmallestSide, kLargestSide,
                     info.image_size);
  return info;
}

void save_model(const std::filesystem::path& path, const StateDict& state,
                const CheckpointInfo& info) {
  save_checkpoint(path, {.tensors = state, .metadata = to_metadata(info)});
}

// What has no model in it is told apart before its metadata are read as one's.
static void require_model(const CheckpointFile& file) {
  require<DataError>(file.ours(), "{}: holds weights, but is no checkpoint of mldecoder (its "
                     "metadata do not say format = {}), so classes and pictures' size are unknown; "
                     "it can start a training: model.init", file.path(), kFormat);
  require<DataError>(!is_training_state(file.metadata()),
                     "{}: is a run's training state; its weights are in best.safetensors and "
                     "last.safetensors beside it", file.path());
}

LoadedModel model_from_checkpoint(const std::filesystem::path& path) {
  CheckpointFile file(weights_file(path));
  require_model(file);
  LoadedModel loaded{.info = checkpoint_info(file.metadata(), file.path()), .model = nullptr};
  naming(file.path(), [&] {
    loaded.model = make_model(loaded.info.model);
    load_state(*loaded.model, file.tensors());
    check_weights(*loaded.model);
  });
  return loaded;
}

CheckpointInfo read_checkpoint_info(const std::filesystem::path& path) {
  const CheckpointFile file(weights_file(path), Verify::metadata_only);
  require_model(file);
  CheckpointInfo info = checkpoint_info(file.metadata(), file.path());
  naming(file.path(), [&] { return model_summary(info.model, info.image_size); });  // it can exist
  return info;
}

static void check_classes(const std::vector<std::string>& ours,
                          const std::vector<std::string>& data, const std::string& checkpoint) {
  constexpr const char* kAdvice = "model.init_policy = \"backbone\" leaves the head out";
  require<DataError>(ours.size() == data.size(),
                     "{}: the checkpoint has {} classes, the data {}; {}", checkpoint, ours.size(),
                     data.size(), kAdvice);
  for (size_t i = 0; i < ours.size(); ++i) {
    require<DataError>(ours[i] == data[i],
                       "{}: class {} is '{}' in the checkpoint and '{}' in the data; {}",
                       checkpoint, i, printable(ours[i]), printable(data[i]), kAdvice);
  }
}

LoadReport init_from_checkpoint(Classifier& model, const std::filesystem::path& path,
                                InitPolicy policy, const std::vector<std::string>& class_names) {
  CheckpointFile file(weights_file(path));
  if (file.ours()) {
    require_model(file);
  }
  if (file.ours() && policy == InitPolicy::strict) {
    check_classes(checkpoint_info(file.metadata(), file.path()).class_names, class_names,
                  file.path());
  }
  return naming(file.path(), [&] {
    LoadReport report = load_pretrained(model, file.tensors(), policy);
    check_weights(model);
    return report;
  });
}

}  // namespace mld
