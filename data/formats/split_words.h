// Words for splits in names of files, folders and columns: the same in every format.
#pragma once

#include <string>
#include <string_view>

namespace mld {

// Capital letters of ASCII made small.
std::string lower_case(std::string_view text);

// "train", "val" or "test" for a word such as "Training", "valid" or "dev"; "" for others.
std::string split_of_word(std::string_view word);

// The split that a name such as train_labels or labels-valid contains; "" if none.
std::string split_in_name(std::string_view stem);

}  // namespace mld
