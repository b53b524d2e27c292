#include "app/embeddings.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "data/file.h"
#include "data/json_writer.h"
#include "data/safetensors.h"
#include "data/text.h"
#include "train/checkpoint_json.h"

namespace mld {

static constexpr const char *kFormat = "mldecoder-embeddings", *kVersion = "1";

static std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : ".";
}

// Names are relative to the file's folder, so that both can be moved. They end with
// a zero byte: it is the only one that no file's name has.
static Tensor packed(const std::vector<std::filesystem::path>& files,
                     const std::filesystem::path& folder) {
  std::string text;
  for (const auto& file : files) {
    text.append(std::filesystem::proximate(file, folder).native()).push_back('\0');
  }
  Tensor bytes({std::ssize(text)}, DType::u8);
  std::ranges::copy(text, bytes.data<uint8_t>());
  return bytes;
}

void save_embeddings(const std::filesystem::path& file, const Embeddings& e) {
  const std::map<std::string, std::string> metadata{
      {"format", kFormat},
      {"format_version", kVersion},
      {"kind", e.kind},
      {"labels", JsonWriter().values(e.labels).text()},
      {"weights", fmt::format("{:08x}", e.fingerprint)}};
  write_file_atomically(file, [&](const ByteSink& sink) {
    write_safetensors({{"embeddings", e.values}, {"files", packed(e.files, folder_of(file))}},
                      metadata, sink);
  });
}

bool is_embeddings(const std::filesystem::path& file) {
  try {
    const auto metadata = SafeTensorsFile(file).metadata();
    const auto format = metadata.find("format");
    return format != metadata.end() && format->second == kFormat;
  } catch (const DataError&) {
    return false;  // a picture, most likely
  }
}

Embeddings load_embeddings(const std::filesystem::path& path) {
  const SafeTensorsFile file(path);
  const std::string name = printable(path.native());
  const auto text = [&](const char* key) -> const std::string& {
    const auto found = file.metadata().find(key);
    require<DataError>(found != file.metadata().end(), "{}: metadata lack \"{}\"", name, key);
    return found->second;
  };
  require<DataError>(text("format") == kFormat, "{}: holds no embeddings", name);
  require<DataError>(text("format_version") == kVersion,
                     "{}: format_version {}, but this program reads {}", name,
                     printable(text("format_version")), kVersion);
  Embeddings e{.kind = text("kind"), .fingerprint = 0,
               .labels = parse_array<std::string>(text("labels"), name, "labels"),
               .files = {}, .values = {}};
  const std::string& weights = text("weights");
  const auto end = weights.data() + weights.size();
  const auto number = std::from_chars(weights.data(), end, e.fingerprint, 16);
  require<DataError>(number.ec == std::errc() && number.ptr == end, "{}: \"weights\" is no number",
                     name);
  const SafeTensor &values = file.at("embeddings"), &files = file.at("files");
  require<DataError>(values.dtype == "F32" && values.shape.size() == 2 && values.shape[1] > 0 &&
                         files.dtype == "U8" && files.shape.size() == 1,
                     "{}: expected embeddings F32 [N, E] and files U8", name);
  require<DataError>(e.labels.empty() || std::ssize(e.labels) == values.shape[1],
                     "{}: {} labels for {} numbers a picture", name, e.labels.size(),
                     values.shape[1]);
  e.values = values.to_tensor();
  const std::vector<float> numbers = e.values.to_vector();
  require<DataError>(std::ranges::all_of(numbers, [](float v) { return std::isfinite(v); }),
                     "{}: holds numbers that are not finite", name);
  const Tensor bytes = files.to_tensor();
  const std::string_view names(reinterpret_cast<const char*>(bytes.data<uint8_t>()),
                               static_cast<size_t>(bytes.numel()));
  for (size_t begin = 0; begin < names.size();) {
    const size_t stop = std::min(names.find('\0', begin), names.size());
    e.files.push_back(std::filesystem::proximate(
        folder_of(path) / names.substr(begin, stop - begin), std::filesystem::current_path()));
    begin = stop + 1;
  }
  require<DataError>(std::ssize(e.files) == values.shape[0], "{}: {} file names for {} embeddings",
                     name, e.files.size(), values.shape[0]);
  return e;
}

}  // namespace mld
