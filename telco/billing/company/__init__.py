"""Company payments: allocated as their purpose, register or letter says, else by people (PSC-3.2.4-1 to -4)."""
