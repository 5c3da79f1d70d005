// Corosync's errors by name.
#pragma once

#include <corosync/corotypes.h>

#include <string>

namespace holdfast {

// `CS_ERR_TRY_AGAIN` for 6; `CS_ERR_<number>` for what the header does not know.
std::string CorosyncErrorName(cs_error_t error);

// The outcome of a step: fine, or what failed and how.
struct Status {
  cs_error_t error = CS_OK;
  std::string what;

  bool Ok() const { return error == CS_OK; }
  std::string Reason() const { return what + ": " + CorosyncErrorName(error); }
};

inline Status StatusOf(const char* call, cs_error_t error) { return error == CS_OK ? Status{} : Status{error, call}; }

}  // namespace holdfast
