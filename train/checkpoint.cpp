#include "train/checkpoint.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include <fmt/ranges.h>

#include "core/parallel.h"
#include "data/file.h"
#include "data/json_writer.h"
#include "data/text.h"
#include "models/clip.h"
#include "train/checkpoint_json.h"
#include "train/checkpoint_labels.h"
#include "train/config_keys.h"
#include "train/finite.h"
#include "train/run_folder.h"
#include "train/thresholds.h"
#include "train/training_state.h"

namespace mld {
namespace {

constexpr std::string_view kFormat = "mldecoder";
constexpr int kVersion = 2;  // readers of version 1 ignored unknown keys
constexpr const char* kChecksums = "crc32c";                  // JSON: tensor name -> 8 hex digits
constexpr const char* kThresholds = "thresholds";  // JSON; files from before it lack it
constexpr const char* kMetadataChecksum = "metadata_crc32c";  // over all other entries

std::string hex(uint32_t value) { return fmt::format("{:08x}", value); }

// Over "key NUL value NUL" of every entry except the checksum itself, in key order.
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

// Errors: DataError for a version that this program cannot read.
int format_version(const Metadata& metadata, const std::string& file) {
  const std::string text = get(metadata, "format_version", file);
  for (int version = 1; version <= kVersion; ++version) {
    if (text == std::to_string(version)) {
      return version;
    }
  }
  fail<DataError>("{}: format version {}, this program reads versions up to {}; use the program "
                  "that wrote it", file, printable(text), kVersion);
}

}  // namespace

// ---- named tensors with checksums ---------------------------------------------------------------

void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  std::map<std::string, std::string> checksums;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    const Tensor host = tensor.to(Device{});
    checksums[name] = hex(crc32c({static_cast<const uint8_t*>(host.raw()), host.bytes()}));
  }
  Metadata metadata = checkpoint.metadata;
  metadata.insert_or_assign("format", std::string(kFormat));
  metadata.insert_or_assign("format_version", std::to_string(kVersion));
  metadata.insert_or_assign(kChecksums, JsonWriter().members(checksums).text());
  metadata.insert_or_assign(kMetadataChecksum, hex(metadata_checksum(metadata)));
  write_file_atomically(path, [&](const ByteSink& sink) {
    write_safetensors(checkpoint.tensors, metadata, sink);
  });
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
  in_file(file.path(), [&] { check_weights(checkpoint.tensors); });
  return checkpoint;
}

CheckpointFile::CheckpointFile(const std::filesystem::path& path, Verify verify)
    : path_(path.string()) {
  if (is_pth(path)) {
    pth_.emplace(path);
    return;
  }
  file_.emplace(path);
  const auto format = metadata().find("format");
  ours_ = format != metadata().end() && format->second == kFormat;
  if (ours_) {
    verify_metadata();
    if (verify == Verify::checksums) {
      verify_tensors();
    }
  }
}

const Metadata& CheckpointFile::metadata() const {
  static const Metadata none;
  return file_ ? file_->metadata() : none;
}

void CheckpointFile::verify_metadata() const {
  format_version(metadata(), path());
  const std::string expected = get(metadata(), kMetadataChecksum, path());
  const std::string actual = hex(metadata_checksum(metadata()));
  require<DataError>(actual == expected, "{}: damaged: the metadata have checksum {}, expected {}",
                     path(), actual, printable(expected));
}

void CheckpointFile::verify_tensors() const {
  const auto checksums =
      parse_object<std::string>(get(metadata(), kChecksums, path()), path(), kChecksums);
  const std::vector<std::string>& names = file_->names();
  std::vector<uint32_t> actual(names.size());
  std::atomic<size_t> next = 0;  // tensors differ in size: each thread takes the next one
  parallel_for(compute_threads(), 1, [&](int64_t, int64_t) {
    for (size_t i = next++; i < names.size(); i = next++) {
      actual[i] = crc32c(file_->at(names[i]).bytes);
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

const SafeTensor* CheckpointFile::label_vectors() const {
  return ours_ && file_->contains(kLabelVectors) ? &file_->at(kLabelVectors) : nullptr;
}

std::vector<std::pair<std::string, const SafeTensor*>> CheckpointFile::entries() const {
  std::vector<std::pair<std::string, const SafeTensor*>> all;
  if (pth_) {
    for (const auto& [name, entry] : pth_->tensors()) {
      all.emplace_back(name, &entry);
    }
    return all;
  }
  for (const std::string& name : file_->names()) {
    if (!ours_ || name != kLabelVectors) {
      all.emplace_back(name, &file_->at(name));
    }
  }
  return all;
}

std::vector<std::string> CheckpointFile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries()) {
    names.push_back(name);
  }
  return names;
}

std::vector<StateView> CheckpointFile::tensors() {
  std::vector<StateView> views;
  for (const auto& [name, entry] : entries()) {
    const std::optional<DType> dtype = entry->same_dtype();
    const bool aligned =
        dtype && reinterpret_cast<uintptr_t>(entry->bytes.data()) % size_of(*dtype) == 0;
    if (aligned && entry->shape.size() <= Shape::kMaxDims) {
      views.push_back({name, Shape(std::span(entry->shape)), *dtype, entry->bytes.data()});
      continue;
    }
    const Tensor tensor = in_file(path() + ": tensor " + printable(name),
                                  [&] { return entry->to_tensor(); });
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

Config config_of(const CheckpointInfo& info) {
  Config config;
  config.task = info.task;
  config.model = info.model;
  config.preprocess = info.preprocess;
  return config;
}

static std::string part_json(Part part, const Config& config) {
  JsonWriter json;
  json.object();
  for (const Key& key : part_keys(part)) {
    write_value(json.key(key.name), key.get(config));
  }
  return json.end().text();
}

Metadata to_metadata(const CheckpointInfo& info) {
  JsonWriter classes, metrics;
  classes.values(info.class_names);
  metrics.object();
  for (const auto& [name, value] : info.metrics) {
    if (std::isfinite(value)) {
      metrics.member(name, value);
    }
  }
  const Config config = config_of(info);
  Metadata metadata = {{"format", std::string(kFormat)},
                       {"format_version", std::to_string(kVersion)},
                       {"task", std::string(word(info.task))},
                       {"weights", info.weights},
                       {"config", info.config},
                       {"classes", classes.text()},
                       {"metrics", metrics.end().text()},
                       {"model", part_json(Part::model, config)},
                       {"preprocessing", part_json(Part::preprocessing, config)}};
  if (!info.thresholds.empty()) {
    metadata[kThresholds] = JsonWriter().values(info.thresholds).text();
  }
  write_seen(info, metadata);
  return metadata;
}

// The thresholds, if the file has any.
static std::vector<double> read_thresholds(const Metadata& metadata, size_t classes,
                                           const std::string& file) {
  if (!metadata.contains(kThresholds)) {
    return {};
  }
  const auto values = parse_array<double>(metadata.at(kThresholds), file, kThresholds);
  require<DataError>(values.size() == classes, "{}: {} thresholds for {} classes", file,
                     values.size(), classes);
  for (const double value : values) {
    require<DataError>(value >= 0 && value <= kNever,
                       "{}: metadata \"{}\" has {}, expected 0 to {}", file, kThresholds, value,
                       kNever);
  }
  return values;
}

CheckpointInfo checkpoint_info(const Metadata& metadata, const std::string& file) {
  const auto text = [&](const char* key) { return get(metadata, key, file); };
  const auto one_of = [&](const char* key, std::initializer_list<std::string_view> known) {
    const std::string value = text(key);
    require<DataError>(std::find(known.begin(), known.end(), value) != known.end(),
                       "{}: metadata \"{}\" is {}, known are {}", file, key, printable(value),
                       fmt::join(known, ", "));
    return value;
  };
  CheckpointInfo info;
  info.task = from_word<Task>(one_of("task", {"multi-label", "single-label", "zero-shot"})).value();
  info.weights = one_of("weights", {"raw", "ema"});
  info.config = text("config");
  info.class_names = parse_array<std::string>(text("classes"), file, "classes");
  info.metrics = parse_object<double>(text("metrics"), file, "metrics");
  const int version = format_version(metadata, file);
  Config config;
  read_keys(part_keys(Part::model), {text("model"), file, "model", version}, config);
  read_keys(part_keys(Part::preprocessing),
            {text("preprocessing"), file, "preprocessing", version}, config);
  info.model = config.model;
  info.preprocess = config.preprocess;
  read_seen(metadata, file, info);
  info.thresholds = read_thresholds(metadata, info.class_names.size(), file);
  return info;
}

void save_model(const std::filesystem::path& path, const StateDict& state,
                const CheckpointInfo& info) {
  Checkpoint checkpoint{.tensors = state, .metadata = to_metadata(info)};
  if (!info.vectors.empty()) {
    checkpoint.tensors.emplace_back(kLabelVectors, info.label_space().vectors);
  }
  save_checkpoint(path, checkpoint);
}

void require_model(const CheckpointFile& file) {
  require<DataError>(file.ours() || !is_clip(file.names()),
                     "{}: is a CLIP, which has no classes of its own; mlinfer predict and search "
                     "read it with --labels and --vocabulary, and a training with one of "
                     "model.backbone's clip_ encoders can start from it (model.init)",
                     file.path());
  require<DataError>(file.ours(), "{}: holds weights, but is no checkpoint of mldecoder (its "
                     "metadata do not say format = {}), so classes and pictures' size are unknown; "
                     "it can start a training (model.init), and mlinfer export makes a checkpoint "
                     "of it", file.path(), kFormat);
  require<DataError>(!is_training_state(file.metadata()),
                     "{}: is a run's training state; its weights are in best.safetensors and "
                     "last.safetensors beside it", file.path());
}

LoadedModel model_from_checkpoint(const std::filesystem::path& path) {
  CheckpointFile file(weights_file(path));
  require_model(file);
  LoadedModel loaded{.info = checkpoint_info(file.metadata(), file.path()), .model = nullptr};
  read_label_vectors(file, loaded.info);
  in_file(file.path(), [&] {
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
  read_label_vectors(file, info);
  in_file(file.path(), [&] { return make_model(info.model); });  // checks the description
  return info;
}

}  // namespace mld
