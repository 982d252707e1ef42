"""Whether a Fernet key fits what the database holds: asked before a key is made, and before anything is migrated."""

from airfleet_common import BootError, again, say


def encrypted_samples(connection, limit: int | None = 20) -> dict[str, list[str]]:
    """Some ciphertexts per "table.column" (all if limit is None); plain trigger arguments start with a brace."""
    columns = [
        ("connection", "password", "is_encrypted"),
        ("connection", "extra", "is_extra_encrypted"),
        ("variable", "val", "is_encrypted"),
        ("connection_test_request", "password", "is_encrypted"),
        ("connection_test_request", "extra", "is_extra_encrypted"),
        ("trigger", "kwargs", "kwargs NOT LIKE '{%%'"),
    ]
    found: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        for table, column, flag in columns:
            query = "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s"
            cursor.execute(query, [f'"{table}"', column])
            if cursor.fetchone():
                query = f'SELECT "{column}" FROM "{table}" WHERE {flag} AND "{column}" <> %s LIMIT %s'  # noqa: S608
                cursor.execute(query, ["", limit])
                if values := [row[0] for row in cursor.fetchall()]:
                    found[f"{table}.{column}"] = values
    return found


def refuse_to_mint(samples: dict[str, list[str]], secret: str) -> None:
    """Raise BootError if the database holds what only a lost key could read."""
    if samples:
        what = f"Secret {secret} with the Fernet key is missing, and the database holds encrypted rows"
        why = "a new key could not decrypt them: they would be lost, and pages that list them would fail"
        fix = f"put the Secret back (key fernet-key and others) or, if it is lost, delete these rows; then {again()}"
        raise BootError(what, where=", ".join(samples), why=why, fix=fix)


def check_key(samples: dict[str, list[str]], fernet_key: str) -> None:
    """Decrypt the samples with Airflow's way of reading the key. Raises BootError if it reads none of them."""
    from cryptography.fernet import Fernet, InvalidToken, MultiFernet

    try:  # airflow.models.crypto.get_fernet: the first key encrypts, all of them decrypt
        fernet = MultiFernet([Fernet(part.encode()) for part in fernet_key.split(",")])
    except ValueError:
        fix = "make one: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
        raise BootError("the Fernet key is not 32 bytes in URL-safe base64", fix=f"{fix}; then {again()}") from None
    read, unread = 0, {}
    for column, values in samples.items():
        for value in values:
            try:
                fernet.decrypt(value.encode())
                read += 1
            except InvalidToken:
                unread[column] = unread.get(column, 0) + 1
    if unread and not read:
        where = ", ".join(f"{count} of {len(samples[column])} rows in {column}" for column, count in unread.items())
        fix = f"put the key that wrote them into the keys Secret (several: newest first, by commas), then {again()}"
        raise BootError("the Fernet key does not decrypt what the database holds", where=where, fix=fix)
    if unread:  # the key is right; these rows were lost before, and stopping would not bring them back
        say(f"warning: the Fernet key does not decrypt {sum(unread.values())} rows in {', '.join(unread)}")
    elif read:
        say(f"the Fernet key decrypts all {read} rows that were tried")
