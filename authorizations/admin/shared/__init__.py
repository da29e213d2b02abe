"""What more than one room of the admin needs: links, types, money, times, tables, explanations."""
