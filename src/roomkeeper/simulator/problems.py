"""What the portal refuses, in the server's words and types (recorded: envelope.errors)."""

HRESULTS = {  # recorded: envelope.errors
    "System.Security.SecurityException": -2146233078,
    "System.InvalidOperationException": -2146233079,
    "System.ArgumentException": -2147024809,
    "System.ArgumentNullException": -2147467261,
    "System.ArgumentOutOfRangeException": -2146233086,
    "System.NullReferenceException": -2147467261,
}
OTHER_HRESULT = -2146233088  # recorded: envelope.errors


class ApiError(Exception):
    """An answer that is not a success; `type` None makes it a bare one without a body."""

    def __init__(self, status: int, message: str = "", kind: str | None = "System.Exception") -> None:
        super().__init__(message)
        self.status, self.message, self.kind = status, message, kind

    def document(self) -> dict[str, object]:
        hresult = HRESULTS.get(self.kind or "", OTHER_HRESULT)
        shown = {"message": self.message, "type": self.kind, "stack": "", "hresult": hresult}
        return {"error": shown, "status": 1, "statusCode": self.status}


class ValidationError(Exception):
    """A refused request body: 400 in the success envelope."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(str(errors))
        self.errors = errors


class UnsupportedMediaType(Exception):
    """A body that is not JSON: 415, in an envelope that says 200 (recorded: envelope.errors)."""


def forbidden(message: str = "Access denied", kind: str = "System.Security.SecurityException") -> ApiError:
    return ApiError(403, message, kind)


def unauthorised(message: str = "Access denied") -> ApiError:
    """What the services of people and settings throw."""
    return ApiError(403, message, "ASC.Common.Security.Authorizing.AuthorizingException")


def rule_broken(message: str) -> ApiError:
    """An InvalidOperationException: 403 with the real message."""
    return ApiError(403, message, "System.InvalidOperationException")


def must_be_storable(text: str, column: str) -> None:
    """MySQL's utf8 has three bytes a letter (DbFile.cs, DbFilesTag.cs); the words are its own, and not recorded."""
    if astral := next((one for one in text if ord(one) > 0xFFFF), ""):
        shown = "".join(f"\\x{byte:02X}" for byte in astral.encode())
        what = f"Incorrect string value: '{shown}' for column '{column}' at row 1"
        raise ApiError(500, what, "MySqlConnector.MySqlException")


def missing(what: str) -> ApiError:
    message = "The user could not be found" if what == "user" else f"The required {what} was not found"
    return ApiError(404, message, "ASC.Common.Web.ItemNotFoundException")
