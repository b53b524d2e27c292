#include "data/vector_tensor.h"

#include <algorithm>
#include <set>

#include <fmt/ranges.h>

#include "core/error.h"
#include "data/file.h"
#include "data/formats/json.h"
#include "data/text.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostNameBytes = int64_t{1} << 28;

// Without leading dimensions of size 1.
std::vector<int64_t> matrix_shape(const SafeTensor& tensor) {
  std::vector<int64_t> shape = tensor.shape;
  while (shape.size() > 2 && shape[0] == 1) {
    shape.erase(shape.begin());
  }
  return shape;
}

const SafeTensor& only_matrix(const SafeTensorsFile& file, const std::string& name) {
  std::vector<std::string> matrices;
  for (const std::string& key : file.names()) {
    if (matrix_shape(file.at(key)).size() == 2) {
      matrices.push_back(key);
    }
  }
  require<DataError>(matrices.size() == 1, "{}: {} matrices{}, expected one, [classes, D]", name,
                     matrices.size(), matrices.empty() ? "" : ", " + name_list(matrices));
  const SafeTensor& matrix = file.at(matrices[0]);
  static const std::set<std::string_view> kinds = {"F16", "BF16", "F32", "F64"};
  require<DataError>(kinds.contains(matrix.dtype), "{}: tensor {} has the type {}, expected one of "
                     "{}", name, printable(matrices[0]), printable(matrix.dtype),
                     fmt::join(kinds, ", "));
  return matrix;
}

std::vector<std::string> names_in_json(const std::string& json, const std::string& name) {
  const rapidjson::Document list = parse_json(json, name);
  const bool good = list.IsArray() && std::ranges::all_of(list.GetArray(), [](const auto& one) {
    return one.IsString();
  });
  require<DataError>(good, "{}: is no list of texts", name);
  std::vector<std::string> names;
  for (const rapidjson::Value& one : list.GetArray()) {
    names.emplace_back(one.GetString(), one.GetStringLength());
  }
  return names;
}

std::vector<std::string> names_of_rows(const SafeTensorsFile& file, const fs::path& path,
                                       const std::string& name) {
  const auto& metadata = file.metadata();
  if (const auto names = metadata.find("names"); names != metadata.end()) {
    return names_in_json(names->second, name + ": metadata \"names\"");
  }
  const auto rows = metadata.find("rows");
  const std::string list = rows == metadata.end() ? "classes.txt" : rows->second;
  // The file's author must not choose which files we open.
  const bool plain = !list.empty() && list != "." && list != ".." &&
                     list.find('/') == list.npos && list.find('\0') == list.npos;
  require<DataError>(plain, "{}: metadata \"rows\" is '{}', expected the name of a file beside it",
                     name, printable(list));
  const fs::path beside = path.parent_path() / list;
  require<DataError>(fs::exists(beside), "{}: nothing says which class a row is: expected a list "
                     "in the metadata's \"names\", or {} with a name a line", name,
                     printable(beside.native()));
  const std::string text = read_text_file(beside, kMostNameBytes);
  return filled_lines(without_mark(text, printable(beside.native())));
}

}  // namespace

VectorTensor::VectorTensor(const fs::path& file) : file_(file) {
  const std::string name = printable(file.native());
  matrix_ = only_matrix(file_, name);
  names_ = names_of_rows(file_, file, name);
  const std::vector<int64_t> shape = matrix_shape(matrix_);
  const auto K = static_cast<int64_t>(names_.size());
  require<DataError>(K > 0 && (shape[0] == K || shape[1] == K) && shape[0] > 0 && shape[1] > 0,
                     "{}: the matrix is [{}, {}], but there are {} names; expected a name a row",
                     name, shape[0], shape[1], K);
  by_columns_ = shape[0] != K;
  dim_ = by_columns_ ? shape[0] : shape[1];
}

std::vector<float> VectorTensor::row(size_t i) const {
  const size_t K = names_.size(), D = static_cast<size_t>(dim_);
  const size_t element = matrix_.bytes.size() / (K * D);
  std::vector<float> values;
  values.reserve(D);
  const auto read = [&](size_t from, size_t count) {
    const SafeTensor part{matrix_.dtype, {static_cast<int64_t>(count)},
                          matrix_.bytes.subspan(from * element, count * element)};
    for (const double value : part.to_doubles()) {
      values.push_back(static_cast<float>(value));
    }
  };
  if (!by_columns_) {
    read(i * D, D);
  }
  for (size_t d = 0; by_columns_ && d < D; ++d) {
    read(d * K + i, 1);
  }
  return values;
}

}  // namespace mld
