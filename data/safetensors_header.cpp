#include "data/safetensors_header.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>
#include <unordered_map>
#include <utility>

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include "core/error.h"
#include "data/file_kind.h"
#include "data/text.h"

namespace mld {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the published implementation

// Fails with the reason why these bytes are not a safetensors file, and what they are, if known.
[[noreturn]] void refuse(std::span<const uint8_t> bytes, const std::string& file,
                         const std::string& why) {
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()),
                               std::min(bytes.size(), size_t{80}));
  const bool ours = start.size() > 8 && start[8] == '{';  // a safetensors header after all
  const std::string kind = ours ? "" : other_file_kind(bytes);
  const bool text = !ours && !start.empty() && std::none_of(start.begin(), start.end(), [](char c) {
    return static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\r' && c != '\t';
  });
  fail<DataError>("{}: {}{}", file, kind.empty() ? why : kind,
                  kind.empty() && text ? "; it looks like text" : "");
}

struct Entry {
  std::string name, dtype;
  std::vector<int64_t> shape;
  std::vector<int64_t> offsets;  // begin, end
  bool has_dtype = false, has_shape = false, has_offsets = false;
};

// Receives the header's JSON events one by one, so memory grows with accepted content only.
// Every event that is out of place throws.
class HeaderHandler : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, HeaderHandler> {
 public:
  explicit HeaderHandler(const std::string& file) : file_(file) {}

  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;

  bool Default() { return unexpected(); }  // null, true, false, negative and fractional numbers

  bool StartObject() {
    if (place_ == Place::start) {
      place_ = Place::names;
    } else if (place_ == Place::value && key_ == kSafetensorsMetadata) {
      require<DataError>(!has_metadata_, "{}: \"{}\" occurs twice", file_, kSafetensorsMetadata);
      has_metadata_ = true;
      place_ = Place::metadata;
    } else if (place_ == Place::value) {
      entries.emplace_back().name = key_;
      place_ = Place::fields;
    } else {
      return unexpected();
    }
    return true;
  }

  bool Key(const char* text, rapidjson::SizeType length, bool) {
    key_.assign(text, length);
    if (place_ == Place::names) {
      place_ = Place::value;
    }
    return true;
  }

  bool String(const char* text, rapidjson::SizeType length, bool) {
    if (place_ == Place::metadata) {
      const bool fresh = metadata.emplace(key_, std::string(text, length)).second;
      require<DataError>(fresh, "{}: metadata {} occurs twice", file_, quoted_name(key_));
      return true;
    }
    if (place_ != Place::fields || key_ != "dtype") {
      return unexpected();
    }
    once(entries.back().has_dtype);
    entries.back().dtype.assign(text, length);
    return true;
  }

  bool StartArray() {
    if (place_ != Place::fields || (key_ != "shape" && key_ != "data_offsets")) {
      return unexpected();
    }
    Entry& entry = entries.back();
    const bool shape = key_ == "shape";
    once(shape ? entry.has_shape : entry.has_offsets);
    numbers_ = shape ? &entry.shape : &entry.offsets;
    place_ = Place::array;
    return true;
  }

  bool Uint(unsigned value) { return Uint64(value); }
  bool Uint64(uint64_t value) {
    if (place_ != Place::array || value > uint64_t{std::numeric_limits<int64_t>::max()}) {
      return unexpected();
    }
    numbers_->push_back(static_cast<int64_t>(value));
    return true;
  }

  bool EndArray(rapidjson::SizeType) {
    place_ = Place::fields;
    return true;
  }

  bool EndObject(rapidjson::SizeType) {
    if (place_ == Place::fields) {
      const Entry& entry = entries.back();
      require<DataError>(entry.has_dtype && entry.has_shape && entry.has_offsets,
                         "{}: tensor {} lacks dtype, shape or data_offsets", file_,
                         quoted_name(entry.name));
    }
    place_ = place_ == Place::names ? Place::end : Place::names;
    return true;
  }

 private:
  enum class Place { start, names, value, metadata, fields, array, end };

  bool unexpected() const {
    fail<DataError>("{}: malformed safetensors header at {}; expected {{name: {{\"dtype\": text, "
                    "\"shape\": [n, ...], \"data_offsets\": [begin, end]}}}} and metadata of text",
                    file_, key_.empty() ? "its start" : quoted_name(key_));
  }
  void once(bool& seen) const {
    require<DataError>(!seen, "{}: tensor {} has {} twice", file_, quoted_name(entries.back().name),
                       quoted_name(key_));
    seen = true;
  }

  const std::string& file_;
  Place place_ = Place::start;
  std::string key_;
  std::vector<int64_t>* numbers_ = nullptr;
  bool has_metadata_ = false;
};

// Runs the handler over the header in `bytes`, the whole file.
void parse_header(std::span<const uint8_t> bytes, uint64_t header_bytes, const std::string& file,
                  HeaderHandler& handler) {
  const std::span<const uint8_t> header = bytes.subspan(sizeof(header_bytes), header_bytes);
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag |  // no recursion: no stack overflow
                              rapidjson::kParseValidateEncodingFlag;
  rapidjson::MemoryStream stream(reinterpret_cast<const char*>(header.data()), header.size());
  rapidjson::Reader reader;
  const rapidjson::ParseResult result = reader.Parse<kFlags>(stream, handler);
  if (result.IsError()) {
    refuse(bytes, file, fmt::format("malformed safetensors header, byte {}: {}", result.Offset(),
                                    rapidjson::GetParseError_En(result.Code())));
  }
  require<DataError>(stream.Tell() == header.size(),
                     "{}: malformed safetensors header: a zero byte after the JSON text", file);
}

// The entry's part of the data, after all checks of this entry alone.
SafeTensor view_of(const Entry& entry, std::span<const uint8_t> data, const std::string& file) {
  const size_t size = safetensors_element_size(entry.dtype);
  require<DataError>(size > 0, "{}: tensor {} has the unknown type {}", file,
                     quoted_name(entry.name), quoted_name(entry.dtype));
  require<DataError>(entry.offsets.size() == 2 && entry.offsets[0] <= entry.offsets[1] &&
                         static_cast<uint64_t>(entry.offsets[1]) <= data.size(),
                     "{}: tensor {}: data_offsets must be [begin, end] within {} bytes of data",
                     file, quoted_name(entry.name), data.size());
  const auto begin = static_cast<size_t>(entry.offsets[0]);
  const auto bytes = static_cast<size_t>(entry.offsets[1]) - begin;
  const std::optional<uint64_t> numel = checked_numel(entry.shape);
  require<DataError>(numel && *numel <= bytes && *numel * size == bytes,
                     "{}: tensor {}: its shape of {} dimensions and type {} do not fill {} bytes",
                     file, quoted_name(entry.name), entry.shape.size(), entry.dtype, bytes);
  return {entry.dtype, entry.shape, data.subspan(begin, bytes)};
}

// Checks that every byte of the data belongs to exactly one tensor: no overlap, no hidden content.
void check_tiling(const std::vector<Entry>& entries, size_t data_bytes, const std::string& file) {
  std::vector<const Entry*> order;
  for (const Entry& entry : entries) {
    order.push_back(&entry);
  }
  std::sort(order.begin(), order.end(),
            [](const Entry* a, const Entry* b) { return a->offsets < b->offsets; });
  int64_t end = 0;
  for (const Entry* entry : order) {
    require<DataError>(entry->offsets[0] == end, "{}: tensor {} starts at data byte {}, {} {}",
                       file, quoted_name(entry->name), entry->offsets[0],
                       entry->offsets[0] < end ? "inside the tensor before it, which ends at"
                                               : "leaving a gap after byte",
                       end);
    end = entry->offsets[1];
  }
  require<DataError>(static_cast<uint64_t>(end) == data_bytes,
                     "{}: {} bytes of data, its tensors take {}", file, data_bytes, end);
}

}  // namespace

size_t safetensors_element_size(std::string_view dtype) {
  static const std::unordered_map<std::string_view, size_t> sizes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"F8_E8M0", 1},
      {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},     {"U32", 4},
      {"F32", 4},  {"I64", 8}, {"U64", 8}, {"F64", 8},     {"C64", 8}};
  const auto found = sizes.find(dtype);
  return found == sizes.end() ? 0 : found->second;
}

std::string quoted_name(std::string_view name) {
  constexpr size_t kMost = 100;
  return fmt::format("\"{}{}\"", printable(name.substr(0, kMost)),
                     name.size() > kMost ? "..." : "");
}

std::optional<uint64_t> checked_numel(const std::vector<int64_t>& shape) {
  uint64_t product = 1;
  bool empty = false;
  for (const int64_t dim : shape) {
    empty |= dim == 0;
    if (dim != 0 && (__builtin_mul_overflow(product, static_cast<uint64_t>(dim), &product) ||
                     product >= uint64_t{1} << 62)) {
      return std::nullopt;
    }
  }
  return empty ? 0 : product;
}

SafeTensorsContent parse_safetensors(std::span<const uint8_t> bytes, const std::string& file) {
  uint64_t header_bytes = 0;
  if (bytes.size() < sizeof(header_bytes)) {
    refuse(bytes, file, fmt::format("{} bytes are too short for a safetensors file", bytes.size()));
  }
  std::memcpy(&header_bytes, bytes.data(), sizeof(header_bytes));
  const size_t rest = bytes.size() - sizeof(header_bytes);
  if (header_bytes > kMaxHeaderBytes) {
    refuse(bytes, file, fmt::format("not a safetensors file, or damaged: its header would have {} "
                                    "bytes", header_bytes));
  }
  if (header_bytes > rest) {
    refuse(bytes, file,
           fmt::format("truncated: the header has {} bytes, {} follow", header_bytes, rest));
  }
  HeaderHandler handler(file);
  parse_header(bytes, header_bytes, file, handler);
  const std::span<const uint8_t> data = bytes.subspan(sizeof(header_bytes) + header_bytes);
  SafeTensorsContent content;
  std::set<std::string_view> seen;
  for (const Entry& entry : handler.entries) {
    require<DataError>(seen.insert(entry.name).second, "{}: tensor {} occurs twice", file,
                       quoted_name(entry.name));
    content.tensors.push_back(view_of(entry, data, file));
    content.names.push_back(entry.name);
  }
  check_tiling(handler.entries, data.size(), file);
  content.metadata = std::move(handler.metadata);
  return content;
}

}  // namespace mld
