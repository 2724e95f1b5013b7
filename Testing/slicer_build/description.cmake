# What the Extensions Manager would be told, as KEY=VALUE lines.
set(description "NAME=${PROJECT_NAME}\n")
foreach(key HOMEPAGE CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  string(APPEND description "${key}=${EXTENSION_${key}}\n")
endforeach()
file(WRITE "${CMAKE_BINARY_DIR}/description.txt" "${description}")
