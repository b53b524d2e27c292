#include "data/safetensors.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <set>

#include "core/error.h"
#include "data/json_writer.h"
#include "data/safetensors_header.h"
#include "data/text.h"

namespace mld {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

std::string_view stored_dtype(DType dtype) {
  switch (dtype) {
    case DType::f32: return "F32";
    case DType::bf16: return "BF16";
    case DType::i32: return "I32";
    case DType::u8: return "U8";
    case DType::i64: return "I64";
  }
  return "?";
}

float half_to_float(uint16_t half) {  // IEEE binary16
  const int exponent = (half >> 10) & 31, mantissa = half & 1023;
  const float sign = half & 0x8000 ? -1.0f : 1.0f;
  if (exponent == 31) {
    return mantissa ? std::numeric_limits<float>::quiet_NaN()
                    : sign * std::numeric_limits<float>::infinity();
  }
  return exponent ? sign * std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25)
                  : sign * std::ldexp(static_cast<float>(mantissa), -24);
}

// out[i] = convert(element i). The bytes need not be aligned for T.
template <class T, class Out, class Convert>
void convert_elements(std::span<const uint8_t> bytes, Out* out, Convert&& convert) {
  for (size_t i = 0; i < bytes.size() / sizeof(T); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    out[i] = convert(value);
  }
}

float bf16_to_float(bf16 value) { return static_cast<float>(value); }

[[noreturn]] void no_conversion(const SafeTensor& tensor, std::string_view target) {
  fail<DataError>("safetensors: type {} cannot be read as {}", quoted_name(tensor.dtype), target);
}

}  // namespace

int64_t SafeTensor::numel() const {
  return static_cast<int64_t>(checked_numel(shape).value_or(0));
}

std::optional<DType> SafeTensor::same_dtype() const {
  for (const DType type : {DType::f32, DType::bf16, DType::i32, DType::i64, DType::u8}) {
    if (dtype == stored_dtype(type)) {
      return type;
    }
  }
  return std::nullopt;
}

std::vector<double> SafeTensor::to_doubles() const {
  std::vector<double> values(static_cast<size_t>(numel()));
  double* out = values.data();
  const auto convert = [&]<class T>(T) {
    convert_elements<T>(bytes, out, [](T value) { return static_cast<double>(value); });
  };
  if (dtype == "F64") convert(double{});
  else if (dtype == "F32") convert(float{});
  else if (dtype == "I64") convert(int64_t{});
  else if (dtype == "U64") convert(uint64_t{});
  else if (dtype == "I32") convert(int32_t{});
  else if (dtype == "U32") convert(uint32_t{});
  else if (dtype == "I16") convert(int16_t{});
  else if (dtype == "U16") convert(uint16_t{});
  else if (dtype == "I8") convert(int8_t{});
  else if (dtype == "U8") convert(uint8_t{});
  else if (dtype == "BOOL") convert_elements<uint8_t>(bytes, out, [](uint8_t v) { return v != 0; });
  else if (dtype == "F16") convert_elements<uint16_t>(bytes, out, half_to_float);
  else if (dtype == "BF16") convert_elements<bf16>(bytes, out, bf16_to_float);
  else no_conversion(*this, "numbers");
  return values;
}

Tensor SafeTensor::to_tensor() const {
  require<DataError>(shape.size() <= Shape::kMaxDims,
                     "safetensors: a tensor of {} dimensions, at most {} are supported",
                     shape.size(), Shape::kMaxDims);
  const Shape dims{std::span<const int64_t>(shape)};
  if (const std::optional<DType> same = same_dtype()) {
    Tensor tensor(dims, *same);
    if (!bytes.empty()) {
      std::memcpy(tensor.raw(), bytes.data(), bytes.size());
    }
    return tensor;
  }
  Tensor tensor(dims, dtype == "BOOL" ? DType::u8 : DType::f32);
  if (dtype == "BOOL") {
    convert_elements<uint8_t>(bytes, tensor.data<uint8_t>(), [](uint8_t v) { return v != 0; });
  } else if (dtype == "F16") {
    convert_elements<uint16_t>(bytes, tensor.data<float>(), half_to_float);
  } else if (dtype == "F64") {
    convert_elements<double>(bytes, tensor.data<float>(),
                             [](double v) { return static_cast<float>(v); });
  } else {
    no_conversion(*this, "a tensor");
  }
  return tensor;
}

struct SafeTensorsFile::Impl {
  std::string path;
  std::unique_ptr<MappedFile> file;  // null when the caller owns the bytes
  SafeTensorsContent content;
  std::map<std::string_view, size_t> index;  // by content.names

  void parse(std::span<const uint8_t> bytes) {
    content = parse_safetensors(bytes, path);
    for (size_t i = 0; i < content.names.size(); ++i) {
      index.emplace(content.names[i], i);
    }
  }
};

SafeTensorsFile::SafeTensorsFile(const std::filesystem::path& path)
    : impl_(std::make_unique<Impl>()) {
  impl_->path = path.string();
  impl_->file = std::make_unique<MappedFile>(path);
  impl_->parse(impl_->file->bytes());
}

SafeTensorsFile::SafeTensorsFile(std::span<const uint8_t> bytes, std::string name)
    : impl_(std::make_unique<Impl>()) {
  impl_->path = std::move(name);
  impl_->parse(bytes);
}

SafeTensorsFile::~SafeTensorsFile() = default;
SafeTensorsFile::SafeTensorsFile(SafeTensorsFile&&) noexcept = default;
SafeTensorsFile& SafeTensorsFile::operator=(SafeTensorsFile&&) noexcept = default;

const std::vector<std::string>& SafeTensorsFile::names() const { return impl_->content.names; }
const std::map<std::string, std::string>& SafeTensorsFile::metadata() const {
  return impl_->content.metadata;
}
const std::string& SafeTensorsFile::path() const { return impl_->path; }

bool SafeTensorsFile::contains(std::string_view name) const { return impl_->index.contains(name); }

const SafeTensor& SafeTensorsFile::at(std::string_view name) const {
  const auto found = impl_->index.find(name);
  if (found == impl_->index.end()) {
    constexpr size_t kMostCompared = 20000;  // the file may be hostile
    const auto some = std::span(names()).first(std::min(names().size(), kMostCompared));
    fail<DataError>("{}: no tensor {} among its {}{}", path(), quoted_name(name), names().size(),
                    did_you_mean(name, some));
  }
  return impl_->content.tensors[found->second];
}

namespace {

const std::string& utf8(const std::string& text) {
  require<DataError>(is_utf8(text), "safetensors: {} is not valid UTF-8", quoted_name(text));
  return text;
}

void write_entry(JsonWriter& json, const Tensor& tensor, size_t begin) {
  json.object().member("dtype", stored_dtype(tensor.dtype())).key("shape").array();
  for (const int64_t dim : tensor.shape().dims()) {
    json.value(dim);
  }
  json.end().key("data_offsets").array().value(begin).value(begin + tensor.bytes()).end().end();
}

}  // namespace

void write_safetensors(const std::vector<std::pair<std::string, Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata, const ByteSink& sink) {
  // Large elements first: then each tensor is aligned to its element size without gaps, which the
  // format forbids.
  std::vector<size_t> order(tensors.size()), begin(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return size_of(tensors[a].second.dtype()) > size_of(tensors[b].second.dtype());
  });
  size_t end = 0;
  for (const size_t i : order) {
    begin[i] = end;
    end += tensors[i].second.bytes();
  }

  JsonWriter json;
  std::set<std::string_view> seen = {kSafetensorsMetadata};
  json.object();
  if (!metadata.empty()) {
    json.key(kSafetensorsMetadata).object();
    for (const auto& [key, value] : metadata) {
      json.member(utf8(key), utf8(value));
    }
    json.end();
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    require(seen.insert(name).second, "safetensors: the name {} is taken", quoted_name(name));
    require(tensor.defined(), "safetensors: {} has no data", quoted_name(name));
    write_entry(json.key(utf8(name)), tensor, begin[i]);
  }
  std::string header = json.end().text();
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const uint64_t header_bytes = header.size();
  sink({reinterpret_cast<const uint8_t*>(&header_bytes), sizeof(header_bytes)});
  sink({reinterpret_cast<const uint8_t*>(header.data()), header.size()});
  for (const size_t i : order) {
    const Tensor host = tensors[i].second.to(Device{});
    sink({static_cast<const uint8_t*>(host.raw()), host.bytes()});
  }
}

std::vector<uint8_t> to_safetensors(const std::vector<std::pair<std::string, Tensor>>& tensors,
                                    const std::map<std::string, std::string>& metadata) {
  std::vector<uint8_t> file;
  write_safetensors(tensors, metadata, [&file](std::span<const uint8_t> bytes) {
    file.insert(file.end(), bytes.begin(), bytes.end());
  });
  return file;
}

}  // namespace mld
